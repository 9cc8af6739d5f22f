//! Where interrupts, exceptions and system calls arrive.

use crate::machine::{RESCHEDULE, SHOOTDOWN, TEST, TIMER};
use crate::{
    console, faults, gdb, job, panic, park, points, protocols, stop, syscall, thread, watchdog,
};
use evidence::Kind;
use hw::debug::{Hooks, TRAP};
use hw::entry::{Frame, SYSCALL_VECTOR};
use hw::percpu::{self, Counter};
use hw::{apic, pic, probe};

/// The first vector that is not an exception's.
const FIRST_INTERRUPT: u64 = 32;
const DEBUG: u64 = 1;
const NMI: u64 = 2;
const UNDEFINED: u64 = 6;
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
    hw::debug::set_hooks(&Hooks {
        handle: debug,
        wanted: stop::wanted,
        stop: gdb::stand,
    });
}

/// What comes before [`handle`]: a debugger's exceptions, and every NMI. Returns whether it was
/// handled.
fn debug(frame: &mut Frame) -> bool {
    match frame.vector {
        NMI => {
            nmi(frame);
            true
        }
        DEBUG => gdb::debug_exception(frame),
        _ => gdb::breakpoint(frame),
    }
}

/// With interrupts off. The two that are measured end without a look at the scheduler, and do not
/// pay for the registers that the others need.
fn handle(frame: &mut Frame) {
    match frame.vector {
        V_SHOOTDOWN => shootdown(frame),
        V_TEST => job::answer_test(),
        _ => handle_other(frame),
    }
}

#[inline(never)]
fn handle_other(frame: &mut Frame) {
    faults::settle_overdue();
    match frame.vector {
        V_TIMER => {
            crate::channel::pause();
            thread::tick();
            apic::eoi();
        }
        V_RESCHEDULE => {
            gdb::kick();
            thread::contend();
            park::tend();
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
        0..FIRST_INTERRUPT => exception(frame),
        vector => panic!(
            "CPU {}: interrupt {vector:#x}, which nothing sends",
            percpu::cpu()
        ),
    }
    // A step would end on another CPU, if its thread went there.
    if frame.interrupts_enabled() && frame.rflags & TRAP == 0 {
        thread::preempt_if_due();
    }
}

/// The target's side of a shootdown. The EOI follows the handler (I18), so a second interrupt of
/// this vector stays pending until the row has been drained (I6).
#[inline(always)]
fn shootdown(frame: &Frame) {
    points::note_with(Kind::Enter, || (V_SHOOTDOWN, u64::from(frame.from_user())));
    let served = protocols::handle();
    percpu::count(Counter::IpisReceived, 1);
    match served {
        1 => {}
        0 => {
            percpu::count(Counter::IpisEmpty, 1);
            watchdog::note_found_nothing();
        }
        many => percpu::raise(Counter::MostServed, u64::from(many)),
    }
    if !faults::withholds_eoi() {
        apic::eoi();
    }
    points::note(Kind::Leave, V_SHOOTDOWN, u64::from(served));
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
    // Two that come at once are one: whatever else it may be for is looked at as well.
    if !watchdog::beat::answer(frame) {
        points::note(Kind::Nmi, 0, u64::from(frame.from_user()));
    }
    gdb::nmi(frame);
    if faults::answer_nmi() {
        return;
    }
    panic::answer_nmi(frame);
}

fn exception(frame: &mut Frame) {
    if matches!(frame.vector, PAGE_FAULT | UNDEFINED) && apic::hypercall::recover(frame) {
        return;
    }
    if matches!(frame.vector, PAGE_FAULT | GENERAL_PROTECTION) && probe::recover(frame) {
        return;
    }
    if frame.from_user() {
        if frame.vector == PAGE_FAULT && hw::programs::recover(frame) {
            return;
        }
        syscall::fault(frame);
    }
    panic::exception(frame);
}
