//! A transport from outside the kernel: the command register as it sees it, and what is recorded of its writes.

use super::{Kernel, SHOOTDOWN, note_ipi, online};
use crate::boot;
use core::hint::spin_loop;
use hw::apic::Mode;
use hw::apic::command::{self, Refused};
use hw::clock::Deadline;
use hw::percpu::{self, Counter};
use shootdown::{CommandRegister, CpuId, CpuSet, Destination, Stuck, Transport};

/// For how long a command may stay pending, in microseconds.
const STUCK_AFTER_US: u64 = 1_000_000;

/// Sends the shootdown interrupt through `given`; returns to how many CPUs.
///
/// # Panics
/// If it says that a command is stuck, as the kernel's own does.
#[cold]
#[inline(never)]
pub(super) fn through(given: &dyn Transport<Kernel>, to: Destination) -> u64 {
    let to = match to {
        Destination::AllButSelf => online().without(percpu::cpu()),
        Destination::Each(cpus) => cpus,
    };
    if let Err(Stuck) = given.send(&Kernel, to) {
        panic!(
            "CPU {}: the transport says that the local APIC did not accept a command",
            percpu::cpu()
        );
    }
    to.len() as u64
}

/// What `result` holds.
///
/// # Panics
/// With the reason for which a write was refused.
fn accepted<T>(what: &str, result: Result<T, Refused>) -> T {
    match result {
        Ok(value) => value,
        Err(refused) => panic!("CPU {}: {what}: {refused}", percpu::cpu()),
    }
}

/// Records a command before it is written: it goes to whom the register says, not to whom it should.
fn note(low: u32, destination: u32) {
    percpu::count(Counter::IcrWrites, 1);
    let me = percpu::cpu();
    let named = |&cpu: &CpuId| hw::ap::apic_id(cpu) == destination;
    let (cpus, broadcast) = match low >> 18 & 0b11 {
        0b00 => (online().into_iter().filter(named).collect(), false),
        0b01 => (CpuSet::only(me), false),
        0b10 => (online(), true),
        _ => (online().without(me), true),
    };
    note_ipi(|| cpus, SHOOTDOWN, broadcast);
}

impl CommandRegister for Kernel {
    fn x2apic(&self) -> bool {
        boot::facts().apic == Mode::X2Apic
    }

    fn apic_id(&self, cpu: CpuId) -> u32 {
        hw::ap::apic_id(cpu)
    }

    fn write_high(&self, high: u32) {
        accepted("write_high", command::write_high(high));
    }

    fn write_low(&self, low: u32) {
        note(low, accepted("write_low", command::read_high()) >> 24);
        accepted("write_low", command::write_low(low, SHOOTDOWN));
    }

    fn read_low(&self) -> u32 {
        accepted("read_low", command::read_low())
    }

    fn write_msr(&self, value: u64) {
        note(value as u32, (value >> 32) as u32);
        accepted("write_msr", command::write_wide(value, SHOOTDOWN));
    }

    fn wait_briefly<F: FnMut() -> bool>(&self, mut condition: F) -> Result<(), Stuck> {
        if condition() {
            return Ok(());
        }
        let deadline = Deadline::after_us(STUCK_AFTER_US);
        while !condition() {
            if deadline.expired() {
                return Err(Stuck);
            }
            spin_loop();
        }
        Ok(())
    }
}
