//! What must never happen, kept where it is seen: for the count that a run is judged by, and for
//! scripts that expect it.
//!
//! Whoever sees something calls [`note`] or [`note_hang`], from anywhere: with interrupts off, in
//! an NMI, on any CPU.

use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use hw::sync::IrqLock;
use shell::observation::{Hang, Log, Observation, Violation};

/// How many observations are kept until the shell takes them.
const KEPT: usize = 128;
/// How often the lock is tried. It is held for a microsecond; an NMI that interrupted its holder
/// would try in vain for ever.
const TRIES: u32 = 1 << 16;

static SEEN: AtomicU64 = AtomicU64::new(0);
static EXCUSED: AtomicU64 = AtomicU64::new(0);
static LOG: IrqLock<Log<KEPT>> = IrqLock::new(Log::new());

/// Notes a violation: a read through a dead translation after the shootdown returned, say.
///
/// It is always counted. If it cannot be kept as well, since 128 others are or the lock is held by
/// what this interrupted, no script can expect it, and it fails the run.
pub fn note(violation: Violation) {
    SEEN.fetch_add(1, Relaxed);
    keep(Observation::Violation {
        first: violation,
        times: 1,
    });
}

/// Notes that a wait was given up. It is not counted: what waited fails.
pub fn note_hang(hang: Hang) {
    keep(Observation::Hang(hang));
}

fn keep(observation: Observation) {
    for _ in 0..TRIES {
        if let Some(mut log) = LOG.try_lock() {
            log.add(observation);
            return;
        }
        spin_loop();
    }
}

/// Takes what was noted since the last call, in order.
pub fn drain() -> Vec<Observation> {
    // Before the lock, with which interrupts are off.
    let mut observations = Vec::with_capacity(KEPT);
    LOG.lock()
        .drain(|observation| observations.push(observation));
    observations
}

/// How many violations were seen since boot.
pub fn count() -> u64 {
    SEEN.load(Relaxed)
}

/// From now on `violations` more of those seen were expected.
pub fn excuse(violations: u64) {
    EXCUSED.fetch_add(violations, Relaxed);
}

/// How many violations were seen since boot that no script expected.
pub fn unexpected() -> u64 {
    count().saturating_sub(EXCUSED.load(Relaxed))
}
