//! Tries every interleaving of a shootdown protocol, on the host.
//!
//! The protocol is the kernel's or a student's own source: it is compiled against [`Host`], an
//! implementation of the seam that asks the explorer for the outcome of each operation. The explorer
//! decides what happens between any two operations: another CPU's operation, an interrupt, a store
//! that becomes visible, a walk of the page table. It looks at every state that can come about, and
//! reports the first in which a rule is broken, with the way there.
//!
//! A violation comes as a [`Story`]: what each CPU did, at which line of the source, and the records
//! that a kernel would have left, for the same lanes and the same judge. A [`schedule`] keeps it in a
//! file; [`command`] is all of it as a program.
//!
//! # What is modelled
//! CPUs with a TLB; a local APIC that keeps one pending interrupt of the shootdown's vector;
//! interrupts between any two operations while they are enabled; store buffers ([`Memory`]); threads
//! that are preempted and moved where the protocol lets them; interrupts that are lost or come again, and waits
//! that are given up ([`Faults`]); CPUs that switch between spaces, with PCIDs and page-table isolation or without
//! ([`Switching`]); the local APIC's command register, where the code that sends is explored ([`Apic`]); pages of the
//! kernel, whose translations are global; non-maskable interrupts ([`Nmi`]).
//!
//! # What is not
//! Loads are done in order. Addresses are a handful of pages of one space, or of the kernel. Time: a wait that
//! nothing can end is a hang, at once.
#![forbid(unsafe_code)]

mod addressing;
mod answer;
mod answerer;
mod calls;
mod cause;
mod code;
pub mod command;
mod finding;
mod frame;
mod host;
mod local;
mod machine;
mod nmi;
mod op;
mod orders;
mod parallel;
mod reach;
mod reduce;
mod report;
mod ringing;
mod scene;
pub mod scenes;
pub mod schedule;
mod script;
mod search;
mod sharing;
pub mod showing;
mod state;
mod story;
pub mod textbook;
mod transfers;
mod violation;
mod wire;

pub use addressing::Switching;
pub use answer::answer;
pub use answerer::{Answerer, Lost, Talk};
pub use calls::Call;
pub use code::{Answer, Built, Code, Declared, Reached, Setup, Source};
pub use finding::{Broken, Explored, LIMIT, View, explored};
pub use host::{Host, HostWord};
pub use machine::Step;
pub use nmi::Nmi;
pub use op::{Change, EXPIRED, Fence, GIVEN_UP, Op, WordId};
pub use ringing::Apic;
pub use scene::{Faults, Memory, Scene, Script};
pub use search::{Found, Outcome, Subject, sample, shortest, verify};
pub use story::{Impossible, Moment, Story, What, retell};
pub use transfers::transfers;
pub use violation::Violation;

#[cfg(test)]
mod tests;
