//! The trace as the shell shows it: the records that are still in the CPUs' rings.

use crate::{channel, machine, points};
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use evidence::Record;
use hw::trace::{self, CAPACITY};
use shootdown::{CpuId, CpuSet, MAX_CPUS};

/// The first record of each CPU that is shown.
static CLEARED: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// What a CPU has recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The CPU.
    pub cpu: CpuId,
    /// Its records since the last [`clear`], or since boot.
    pub begun: u64,
    /// How many of them later ones have overwritten.
    pub overwritten: u64,
}

/// What `cpu` has recorded.
pub fn recorded(cpu: CpuId) -> Recorded {
    let first = CLEARED[cpu.index()].load(Acquire);
    let begun = trace::begun(cpu) - first;
    Recorded {
        cpu,
        begun,
        overwritten: begun.saturating_sub(CAPACITY),
    }
}

/// Starts recording, or stops it.
///
/// # Errors
/// A sentence, if it must go on: every record is owed to the host.
pub fn set(on: bool) -> Result<(), &'static str> {
    if !on && channel::lossless() {
        return Err("the trace stays on: the host was promised every record (--evidence)");
    }
    points::set_tracing(on);
    Ok(())
}

/// Forgets what was recorded until now.
pub fn clear() {
    for cpu in machine::started() {
        CLEARED[cpu.index()].store(trace::begun(cpu), Release);
    }
}

/// The records of `cpus` that are not overwritten, CPU by CPU, each CPU's in their order. CPUs go
/// on recording meanwhile: the last few of each may be missing.
pub fn records(cpus: CpuSet) -> Vec<Record> {
    cpus.into_iter().flat_map(records_of).collect()
}

fn records_of(cpu: CpuId) -> impl Iterator<Item = Record> {
    let begun = trace::begun(cpu);
    let first = CLEARED[cpu.index()].load(Acquire);
    (first.max(begun.saturating_sub(CAPACITY))..begun)
        .filter_map(move |number| trace::read(cpu, number))
        .filter_map(move |raw| channel::record(cpu, &raw))
}
