//! The shell's way to stop CPUs: each comes to rest between threads, with interrupts off, no lock
//! held and no request unserved.

use super::{catch_up, mine};
use crate::{machine, points, thread};
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, SeqCst},
};
use evidence::Kind;
use hw::{apic, clock, interrupts, percpu};
use shootdown::{CpuId, CpuSet};

/// The CPUs that are to rest.
static WANTED: AtomicU64 = AtomicU64::new(0);
/// Those that do.
static RESTING: AtomicU64 = AtomicU64::new(0);
/// Those that are to run on without the flush that they owe.
static NO_FLUSH: AtomicU64 = AtomicU64::new(0);

/// How long a CPU may take to come to rest, in microseconds.
const PATIENCE_US: u64 = 2_000_000;

/// Whether a CPU that was left out of shootdowns flushes before it runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flush {
    /// It does.
    IfLeftOut,
    /// It does not, which breaks I15: its TLB may be stale.
    Never,
}

/// The CPUs that rest.
pub fn resting() -> CpuSet {
    CpuSet::from_bits(RESTING.load(Acquire))
}

/// Brings `cpus` to rest, and waits until they do. Not the caller's own.
///
/// # Errors
/// Those that go on: they run no new thread (interrupts are off there, or somebody spins), or a
/// shootdown that may have asked them does not end.
pub fn bring_to_rest(cpus: CpuSet) -> Result<(), CpuSet> {
    let cpus = cpus.without(percpu::cpu()).minus(resting());
    WANTED.fetch_or(cpus.bits(), SeqCst);
    for cpu in cpus {
        // A CPU without a thread to rest in is among those that go on.
        let _ = thread::spawn("stopped", CpuSet::only(cpu), None, rest);
    }
    let deadline = clock::Deadline::after_us(PATIENCE_US);
    while !cpus.minus(resting()).is_empty() {
        if deadline.expired() {
            break;
        }
        thread::doze();
    }
    let awake = cpus.minus(resting());
    WANTED.fetch_and(!awake.bits(), SeqCst);
    // One may have come to rest at that very moment.
    wait_awake(awake);
    if awake.is_empty() { Ok(()) } else { Err(awake) }
}

/// Has `cpus` run on, and waits until they do.
pub fn resume(cpus: CpuSet, flush: Flush) {
    let cpus = cpus.and(resting());
    if flush == Flush::Never {
        NO_FLUSH.fetch_or(cpus.bits(), SeqCst);
    }
    WANTED.fetch_and(!cpus.bits(), SeqCst);
    wait_awake(cpus);
}

/// How long the first NMI is waited for that is to wake a CPU, in microseconds; each later one twice as long, up to the
/// longest.
const WAKING_US: core::ops::Range<u64> = 10..10_000;

/// Waits until none of `cpus` rests.
fn wait_awake(cpus: CpuSet) {
    let mut wait = WAKING_US.start;
    while !cpus.and(resting()).is_empty() {
        for cpu in cpus.and(resting()) {
            // It halts; an NMI that comes before it does so is followed by another. Not at a fixed rate: on a slow
            // machine they would keep the CPU from all else, and its trace would overflow with them.
            let _ = apic::send_nmi(hw::ap::apic_id(cpu));
        }
        let deadline = clock::Deadline::after_us(wait);
        while !cpus.and(resting()).is_empty() && !deadline.expired() {
            spin_loop();
        }
        wait = (2 * wait).min(WAKING_US.end);
    }
}

/// The thread in which a CPU rests.
fn rest() {
    let me = percpu::cpu();
    // Before a shootdown leaves this CPU out.
    points::note(Kind::Stop, 0, 0);
    machine::set_offline(me);
    // From here on no new shootdown asks this CPU. Those under way may: interrupts are on, so they
    // are answered, until each has been seen to be over.
    let settled = wait_for_initiators(me);
    interrupts::disable();
    if settled && WANTED.load(SeqCst) & mine() != 0 {
        RESTING.fetch_or(mine(), SeqCst);
        while WANTED.load(SeqCst) & mine() != 0 {
            interrupts::halt();
        }
    }
    machine::set_online_again(me);
    if NO_FLUSH.fetch_and(!mine(), SeqCst) & mine() == 0 {
        catch_up();
    } else {
        super::forget_left_out(me);
    }
    points::note(Kind::Resume, 0, 0);
    RESTING.fetch_and(!mine(), SeqCst);
    interrupts::enable();
}

/// Waits until every CPU was seen outside critical sections, as initiators are not. Returns whether
/// that came about while this CPU was wanted to rest.
fn wait_for_initiators(me: CpuId) -> bool {
    for cpu in machine::online().without(me) {
        while percpu::of(cpu).critical_depth() != 0 {
            if WANTED.load(Acquire) & mine() == 0 {
                return false;
            }
            spin_loop();
        }
    }
    // After what was seen.
    core::sync::atomic::fence(SeqCst);
    true
}
