//! What the tests share: spaces of their own, CPUs to use, bounded waits.

use super::Unmet;
use crate::job::{self, Job};
use crate::space::{self, Space};
use crate::{console, machine, protocols, thread};
use alloc::string::ToString;
use alloc::sync::Arc;
use core::hint::spin_loop;
use core::ops::Deref;
use hw::clock::{Deadline, compute};
use shootdown::{CpuId, CpuSet};

/// How long a condition may take to come about, in microseconds of the machine's time. Nothing
/// passes or fails by how long it really takes.
const PATIENCE_US: u64 = 20_000_000;

/// A space that is gone, frames and all, when this is dropped.
#[derive(Debug)]
pub struct Scratch(Option<Arc<Space>>);

impl Scratch {
    /// A new one.
    pub fn new() -> Result<Scratch, Unmet> {
        Ok(Scratch(Some(
            space::create().ok_or("no address space is free")?,
        )))
    }
}

impl Deref for Scratch {
    type Target = Arc<Space>;

    fn deref(&self) -> &Arc<Space> {
        self.0.as_ref().expect("taken only by drop")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(space) = self.0.take() {
            let id = space.id();
            drop(space);
            // Who still uses it shows in the audit: its frames are missing.
            let _ = space::retire(id);
        }
    }
}

/// The CPU with the highest number: the shell's only if there is no other.
pub fn last_cpu() -> CpuId {
    machine::online().into_iter().last().unwrap_or(CpuId::BOOT)
}

/// The last CPU, and the others: `least` of them, or more.
pub fn others_and_last(least: usize) -> Result<(CpuSet, CpuId), Unmet> {
    let last = last_cpu();
    let others = machine::online().without(last);
    if others.len() < least {
        return Err(Unmet::Skipped(if least == 1 {
            "needs 2 CPUs"
        } else {
            "needs 3 CPUs"
        }));
    }
    Ok((others, last))
}

/// Skips what shows only where a stale translation stays until it is invalidated; `ring3` says whether ring 3 is to see it.
pub fn shows_staleness(ring3: bool) -> Result<(), Unmet> {
    if hw::cpuid::kvm() {
        return Err(Unmet::Skipped("under KVM a stale translation may not show"));
    }
    if ring3 && hw::tlb::isolated() {
        return Err(Unmet::Skipped(
            "every way into ring 3 loads CR3, which may forget all",
        ));
    }
    Ok(())
}

/// Skips what only a protocol with a slot for each pair of CPUs shows.
pub fn need_slots() -> Result<(), Unmet> {
    if protocols::in_use().entry.pairs {
        return Ok(());
    }
    Err(Unmet::Skipped("needs a slot for each pair of CPUs"))
}

/// Skips what only a protocol that acknowledges first shows.
pub fn need_early() -> Result<(), Unmet> {
    if protocols::in_use().entry.early {
        return Ok(());
    }
    Err(Unmet::Skipped("this protocol acknowledges late"))
}

/// Has `cpu` do `work`, in `space`, and waits for the result.
pub fn on<T: Send + 'static>(
    cpu: CpuId,
    space: Option<&Scratch>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unmet> {
    Ok(begin(cpu, space, work)?.wait()?)
}

/// Has `cpu` begin `work`, in `space`.
pub fn begin<T: Send + 'static>(
    cpu: CpuId,
    space: Option<&Scratch>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Job<T>, Unmet> {
    Ok(job::start(
        "selftest",
        cpu,
        space.map(|space| Arc::clone(space)),
        work,
    )?)
}

/// Waits for `condition`, letting other threads of this CPU run. Returns whether it came about;
/// Ctrl-C ends it too.
pub fn doze_until(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Deadline::after_us(PATIENCE_US);
    while !condition() {
        if deadline.expired() || console::interrupted() {
            return false;
        }
        thread::doze();
    }
    true
}

/// Waits for `condition` without giving the CPU away, interrupts as they are. Returns whether it
/// came about.
pub fn spin_until(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Deadline::after_us(PATIENCE_US);
    // A wait that was to be short pauses each turn, so that a CPU that takes turns with this one
    // can go on; a long one must come to its end some time (see [`compute`]).
    let mut turns = 0_u64;
    while !condition() {
        if deadline.expired() {
            return false;
        }
        turns += 1;
        if turns > SHORT {
            compute()
        } else {
            spin_loop()
        }
    }
    true
}

/// After how many turns a wait is no longer short.
const SHORT: u64 = 10_000;

/// An error for what has no words of its own.
pub fn failed(what: &str, error: impl core::fmt::Debug) -> Unmet {
    Unmet::Failed(alloc::format!("{what}: {error:?}").to_string())
}

/// Fails a test, unless the condition holds, with a formatted text.
macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err($crate::selftest::Unmet::Failed(alloc::format!($($text)*)));
        }
    };
}
pub(super) use ensure;
