//! Where interrupts, exceptions and system calls arrive.

use crate::machine::{RESCHEDULE, SHOOTDOWN, TEST, TIMER};
use crate::{console, job, panic, protocols, syscall, thread};
use hw::entry::{Frame, SYSCALL_VECTOR};
use hw::percpu::{self, Counter};
use hw::{apic, pic, probe};

/// The first vector that is not an exception's.
const FIRST_INTERRUPT: u64 = 32;
const NMI: u64 = 2;
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;

const V_SHOOTDOWN: u64 = SHOOTDOWN.number() as u64;
const V_RESCHEDULE: u64 = RESCHEDULE.number() as u64;
const V_TEST: u64 = TEST.number() as u64;
const V_TIMER: u64 = TIMER.number() as u64;
const V_SYSCALL: u64 = SYSCALL_VECTOR as u64;
const V_SPURIOUS: u64 = apic::SPURIOUS_VECTOR as u64;
const V_ERROR: u64 = apic::ERROR_VECTOR.number() as u64;
const V_PIC: u64 = pic::BASE as u64;
const V_PIC_LAST: u64 = V_PIC + 15;

/// Has every way into the kernel end here.
pub fn init() {
    hw::entry::set_handler(handle);
}

/// With interrupts off. The two that are measured end without a look at the scheduler, and do not
/// pay for the registers that the others need.
fn handle(frame: &mut Frame) {
    match frame.vector {
        V_SHOOTDOWN => shootdown(),
        V_TEST => job::answer_test(),
        _ => handle_other(frame),
    }
}

#[inline(never)]
fn handle_other(frame: &mut Frame) {
    match frame.vector {
        V_TIMER => {
            thread::tick();
            apic::eoi();
        }
        V_RESCHEDULE => {
            thread::contend();
            apic::eoi();
        }
        V_SYSCALL => syscall::handle(frame),
        V_PIC..=V_PIC_LAST => legacy((frame.vector - V_PIC) as u8),
        // The local APIC delivers no EOI for its spurious vector (SDM vol. 3A, 11.9).
        V_SPURIOUS => percpu::count(Counter::Spurious, 1),
        V_ERROR => {
            let errors = apic::take_errors();
            apic::eoi();
            panic!("CPU {}: the local APIC reports {errors}", percpu::cpu());
        }
        NMI => return nmi(frame),
        0..FIRST_INTERRUPT => exception(frame),
        vector => panic!(
            "CPU {}: interrupt {vector:#x}, which nothing sends",
            percpu::cpu()
        ),
    }
    if frame.interrupts_enabled() {
        thread::preempt_if_due();
    }
}

/// The target's side of a shootdown. The EOI follows the handler (I18), so a second interrupt of
/// this vector stays pending until the row has been drained (I6).
#[inline(always)]
fn shootdown() {
    let served = protocols::handle();
    percpu::count(Counter::IpisReceived, 1);
    match served {
        1 => {}
        0 => percpu::count(Counter::IpisEmpty, 1),
        many => percpu::raise(Counter::MostServed, u64::from(many)),
    }
    apic::eoi();
}

fn legacy(irq: u8) {
    // A spurious one was counted, and acknowledged as far as it is due.
    if !pic::acknowledge(irq) {
        return;
    }
    if irq == hw::uart::COM1.irq() {
        console::receive();
    }
    pic::eoi(irq);
}

fn nmi(frame: &mut Frame) {
    percpu::count(Counter::Nmis, 1);
    panic::answer_nmi(frame);
}

fn exception(frame: &mut Frame) {
    if matches!(frame.vector, PAGE_FAULT | GENERAL_PROTECTION) && probe::recover(frame) {
        return;
    }
    if frame.from_user() {
        syscall::fault(frame);
    }
    panic::exception(frame);
}
