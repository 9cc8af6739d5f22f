//! Interrupts that are on their way: sent, as every record says, and kept from their targets until somebody
//! lets them arrive.

use crate::machine;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};
use hw::percpu::{self, Counter};
use shootdown::CpuSet;

/// The CPUs to which one is on its way: at most one to each, as in a local APIC.
static HELD: AtomicU64 = AtomicU64::new(0);

/// The shootdown interrupt to `cpus` stays on its way.
pub fn keep(cpus: CpuSet) {
    if cpus.is_empty() {
        return;
    }
    machine::note_sent(cpus);
    percpu::count(Counter::IpisSent, cpus.len() as u64);
    HELD.fetch_or(cpus.bits(), AcqRel);
}

/// Takes those to `cpus` off their way. Returns to whom there was one.
pub fn lose(cpus: CpuSet) -> CpuSet {
    CpuSet::from_bits(HELD.fetch_and(!cpus.bits(), AcqRel)).and(cpus)
}

/// Lets those to `cpus` arrive. Returns to whom there was one.
pub fn deliver(cpus: CpuSet) -> CpuSet {
    let there = lose(cpus);
    there.into_iter().for_each(machine::arrive);
    there
}

/// The CPUs to which one is on its way.
pub fn held() -> CpuSet {
    CpuSet::from_bits(HELD.load(Acquire))
}
