//! The trace, read while it is written.

use super::Unmet;
use super::scene::{begin, ensure};
use crate::{machine, points, trace as shown};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use evidence::{Event, Kind};
use hw::interrupts::Off;
use hw::percpu;
use hw::trace::{self, CAPACITY};
use shootdown::{CpuId, CpuSet};

/// The records that must have been looked at, and how often each ring must have come round.
const LOOKS: u64 = 20_000;
const ROUNDS: u64 = 24;
/// So many records are made between two pauses: an emulator with one thread goes on to the next
/// CPU at a pause, and the reader then finds the ring about to be overwritten.
const BURST: u64 = 61;
/// After so many turns the reader turns the trace off or on.
const TURNS: u64 = 64;
/// The record that is perhaps being overwritten, the next that will be, and some behind them.
const OLDEST: u64 = 4;

/// One CPU reads the records that the others are about to overwrite, and turns the trace on and
/// off meanwhile.
pub fn torn() -> Result<(), Unmet> {
    let others = machine::online().without(percpu::cpu());
    if others.is_empty() {
        return Err(Unmet::Skipped("needs 2 CPUs"));
    }
    let before = points::tracing();
    points::set_tracing(true);
    let over = Arc::new(AtomicBool::new(false));
    let mut jobs = Vec::new();
    for cpu in others {
        let over = over.clone();
        jobs.push(begin(cpu, None, move || write_until(&over))?);
    }
    let seen = read_all(others);
    over.store(true, Release);
    for job in jobs {
        job.wait()?;
    }
    // While the host is owed every record it stays on.
    let _refused = shown::set(before);
    seen
}

/// Makes records that say which they are.
fn write_until(over: &AtomicBool) {
    while !over.load(Acquire) {
        for _ in 0..BURST {
            // No handler makes a record between.
            let _off = Off::new();
            let number = trace::begun(percpu::cpu());
            points::note(Kind::Mark, number, !number);
        }
        spin_loop();
    }
}

fn read_all(cpus: CpuSet) -> Result<(), Unmet> {
    let begun = || cpus.into_iter().map(trace::begun).sum::<u64>();
    let enough = begun() + ROUNDS * CAPACITY * cpus.len() as u64;
    let (mut looks, mut turns) = (0, 0_u64);
    while looks < LOOKS || begun() < enough {
        for cpu in cpus {
            let oldest = trace::begun(cpu).saturating_sub(CAPACITY + 1);
            for number in oldest..oldest + OLDEST {
                looks += look(cpu, number)?;
            }
        }
        turns += 1;
        if turns.is_multiple_of(TURNS) {
            let _refused = shown::set(!(turns / TURNS).is_multiple_of(4));
        }
        spin_loop();
    }
    Ok(())
}

/// Returns how many whole marks it read there: one or none.
fn look(cpu: CpuId, number: u64) -> Result<u64, Unmet> {
    let Some(raw) = trace::read(cpu, number) else {
        return Ok(0);
    };
    if raw.event != Event::Kind(Kind::Mark).code() {
        return Ok(0);
    }
    ensure!(
        raw.a == number && raw.b == !number,
        "CPU {cpu}: record {number} is torn: {raw:x?}"
    );
    Ok(1)
}
