//! Tries every interleaving of a shootdown protocol, on the host.
//!
//! The protocol is the kernel's or a student's own source: it is compiled against [`Host`], an
//! implementation of the seam that asks the explorer for the outcome of each operation. The explorer
//! decides what happens between any two operations: another CPU's operation, an interrupt, a store
//! that becomes visible, a walk of the page table. It looks at every state that can come about, and
//! reports the first in which a rule is broken, with the way there.
//!
//! # What is modelled
//! CPUs with a TLB; a local APIC that keeps one pending interrupt of the shootdown's vector;
//! interrupts between any two operations while they are enabled; store buffers ([`Memory`]); threads
//! that are preempted and moved where the protocol lets them.
//!
//! # What is not
//! Loads are done in order. Addresses are a handful of pages of one space. Time: a wait that
//! nothing can end is a hang, at once.
#![forbid(unsafe_code)]

mod calls;
mod host;
mod machine;
mod op;
mod search;
mod sharing;
mod state;

pub use calls::Call;
pub use host::{Host, HostWord};
pub use machine::{Memory, Scene, Script, Step, Violation};
pub use op::{Change, Fence, Op, WordId};
pub use search::{Found, Outcome, Subject, shortest, verify};

#[cfg(test)]
mod tests;
