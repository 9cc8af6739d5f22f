//! What must never happen, counted where it is seen.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

static SEEN: AtomicU64 = AtomicU64::new(0);

/// Notes one: a read through a dead translation after the shootdown returned, say.
pub fn note() {
    SEEN.fetch_add(1, Relaxed);
}

/// How many were seen since boot.
pub fn count() -> u64 {
    SEEN.load(Relaxed)
}
