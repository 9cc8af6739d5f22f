//! TLB-shootdown protocols: safe Rust, `no_std`, over a small [`Machine`] trait.
//!
//! A CPU keeps translations in its TLB, and nothing in the machine takes them back when another
//! CPU changes the page table. The CPU that made the change, the *initiator*, must interrupt the
//! others, the *targets*, have each invalidate what it may hold, and wait until it may rely on
//! that. This crate holds three protocols that do so: the [`scoreboard`] protocol of FreeBSD's
//! parallel shootdown IPIs (commit dc43978aa578, 2020), the [`global_lock`] protocol it replaced,
//! and the [`queue`] protocol in Linux's manner.
//!
//! # The protocol in one paragraph
//! The initiator enters a critical section, writes its *request* into its own words, sets the
//! *scoreboard* slot (target, initiator) to zero for every target and sends one IPI to all of
//! them. A target's handler scans its own row for zeros; for each it copies the initiator's
//! request, stores the request's *generation* in the slot (the acknowledgement), performs the
//! invalidation and scans again, until it sees no zero. Meanwhile the initiator invalidates
//! locally, then waits until every slot it zeroed holds its generation. Nobody holds a lock, and
//! interrupts stay on while waiting: any number of CPUs may initiate at once.
//!
//! # Principles
//! 1. *One source.* The code here runs in the kernel, in host tests over a modelled TLB, and
//!    wherever else [`Machine`] is implemented. There is no second copy to keep in step.
//! 2. *Nothing behind the seam's back.* Shared memory is [`Machine::Word`]s, created through the
//!    machine; no atomics, cells or statics that a protocol's outcome depends on.
//! 3. *Every ordering has its reason beside it*, and names the invariant (I1 to I20) that breaks
//!    without it.
//! 4. *Proofs are values.* [`Acknowledged`] proves that every target acknowledged; only a
//!    [`Flush`] that was shot gives back the frame that was unmapped.
//! 5. *Misuse is loud.* A broken rule is an assertion that names the CPU, the step and the rule.
//! 6. *Lean where it is measured.* A one-page shootdown costs a few dozen instructions over the
//!    bare IPI: no `dyn` inside, no lock, no allocation after construction.
//!
//! # Where to read next
//! [`scoreboard`] is the protocol, from request to acknowledgement. Then [`operation`]: what a
//! target does, by mode of address translation; [`active`], [`contexts`] and [`spaces`]: who must be asked;
//! [`flush`]: what the outcome is good for; [`global_lock`]: what it was before; [`queue`]: how else
//! it can be done.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod acknowledged;
pub mod active;
pub mod contexts;
mod cpu_set;
pub mod flush;
pub mod global_lock;
mod machine;
mod mode;
pub mod operation;
mod point;
mod protocol;
pub mod queue;
mod request;
pub mod scoreboard;
pub mod spaces;
mod targets;
pub mod transport;

#[cfg(test)]
mod model;
#[cfg(test)]
mod storm;

pub use acknowledged::Acknowledged;
pub use active::{ActiveSet, activate};
pub use contexts::{Activation, Contexts};
pub use cpu_set::{CpuId, CpuSet, Cpus, MAX_CPUS};
pub use flush::Flush;
pub use global_lock::GlobalLock;
pub use machine::{
    Abandoned, Active, Atomic, Critical, Destination, Generation, Machine, Plain, RequestBody,
    RequestHead, Role, Slot, Value, Word,
};
pub use mode::{Features, Mode, Unsupported, Wanted};
pub use operation::{Invpcid, Pcid, Tlb, perform};
pub use point::Point;
pub use protocol::{Protocol, RequestView, Settings, shoot_gathered};
pub use queue::Queue;
pub use request::{BadRequest, Operation, PAGE_SIZE, RANGE_LIMIT, Request, SpaceId};
pub use scoreboard::Scoreboard;
pub use spaces::{Membership, Spaces, Standard};
pub use targets::{Snapshot, Targets};
pub use transport::{CommandRegister, Stuck, Transport};
