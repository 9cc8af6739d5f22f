//! Tests of the machine, run in it.
//!
//! Each shows a property that the kit teaches or relies on, by what the machine does: no result is
//! assumed from the source. After each, memory and protocol must be as they were before
//! ([`Audit`]).

mod interrupts;
mod memory;
mod protection;
mod ring3;
mod scene;
mod shootdowns;
mod threads;
mod trace;
mod waiting;

use crate::audit::Audit;
use crate::{job, violations};
use alloc::format;
use alloc::string::{String, ToString};

/// One test.
#[derive(Debug)]
pub struct Test {
    /// What `selftest` knows it by.
    pub name: &'static str,
    /// What it shows, in a phrase.
    pub shows: &'static str,
    body: fn() -> Result<(), Unmet>,
}

/// Why a test did not pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unmet {
    /// The property does not hold: how that was seen.
    Failed(String),
    /// It cannot be shown on this machine: what is missing.
    Skipped(&'static str),
}

impl<E: core::fmt::Display> From<E> for Unmet {
    fn from(error: E) -> Self {
        Unmet::Failed(error.to_string())
    }
}

/// Every test, in the order in which they run: what later ones rely on comes first.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[
    Test { name: "identity", shows: "each CPU finds its own per-CPU area, number and APIC", body: interrupts::identity },
    Test { name: "poison", shows: "a freed frame is poisoned, and the first to be given out again, zeroed", body: memory::poison },
    Test { name: "frames", shows: "no frame is given to two CPUs that ask at once", body: memory::frames },
    Test { name: "null", shows: "address 0 is not mapped, and cannot be", body: memory::null },
    Test { name: "bad-address", shows: "a bad address is an error to whoever probes it, not a panic", body: memory::bad_address },
    Test { name: "guards", shows: "below every kernel stack lies a page that is not mapped", body: memory::guards },
    Test { name: "w-xor-x", shows: "no page of the kernel's half is both writable and executable, or ring 3's", body: protection::w_xor_x },
    Test { name: "constants", shows: "text and constants are not writable on any CPU, by any name", body: protection::constants },
    Test { name: "no-execute", shows: "ring 3 executes what is mapped as text, and nothing else", body: ring3::no_execute },
    Test { name: "isolation", shows: "ring 3 reads no kernel memory and executes no privileged instruction", body: ring3::isolation },
    Test { name: "preempt", shows: "two threads that never yield share one CPU", body: threads::preempt },
    Test { name: "critical", shows: "a preemption in a critical section is owed, and paid as it ends", body: threads::critical },
    Test { name: "migrate", shows: "a thread moves to a CPU with less to do, but not while it is pinned", body: threads::migrate },
    Test { name: "park", shows: "no wake-up is lost between two CPUs that park and unpark each other", body: threads::park },
    Test { name: "quiet", shows: "an idle CPU does not tick", body: threads::quiet },
    Test { name: "ipi", shows: "every CPU answers a bare IPI, alone and in a broadcast", body: interrupts::ipi },
    Test { name: "refused", shows: "an IPI whose hypercall KVM refuses is sent by the local APIC, not lost", body: interrupts::refused },
    Test { name: "irr", shows: "interrupts that come while they are off wait in IRR, one of each vector", body: interrupts::irr },
    Test { name: "lazy", shows: "a CPU is in the active set of just the space whose tables it uses", body: shootdowns::lazy },
    Test { name: "stale", shows: "a TLB keeps the old translation until it is shot down, and not after", body: shootdowns::stale },
    Test { name: "rights", shows: "rights taken away, and pages, are gone on another CPU when the call returns", body: shootdowns::rights },
    Test { name: "invpcid", shows: "each type of INVPCID forgets a stale translation that it is about", body: shootdowns::invpcid },
    Test { name: "mutual", shows: "two CPUs that shoot at each other at once both finish (I7)", body: waiting::mutual },
    Test { name: "serve", shows: "an initiator that waits serves another's request (I7)", body: waiting::serve },
    Test { name: "drain", shows: "one interrupt serves every request that is pending (I6)", body: waiting::drain },
    Test { name: "early-ack", shows: "a target acknowledges before it has invalidated (claim 5)", body: waiting::early_ack },
    Test { name: "trace", shows: "a record that is overwritten while it is read is not read torn", body: trace::torn },
    Test { name: "ring3-stale", shows: "ring 3 reads the old frame as long as nothing is shot down", body: ring3::stale },
    Test { name: "ring3-fresh", shows: "ring 3 never reads the old frame after a shootdown returned (I5)", body: ring3::fresh },
];

impl Test {
    /// Runs it, on the shell's thread.
    ///
    /// # Errors
    /// [`Unmet`]: it failed or was skipped, left something behind, or saw a violation.
    pub fn run(&self) -> Result<(), Unmet> {
        let (audit, violations) = (Audit::begin(), violations::count());
        let result = (self.body)();
        // The test's interrupts and threads before the books are closed.
        job::quiesce();
        result?;
        audit
            .end()
            .map_err(|what| format!("it left something behind: {what}"))?;
        match violations::count() - violations {
            0 => Ok(()),
            seen => Err(format!("{seen} violations were seen").into()),
        }
    }
}
