//! All that a solution may use: the machine, as a protocol sees it, and what each lab asks for.
//!
//! A solution is one file. It begins with `#![no_std]`, `#![forbid(unsafe_code)]` and `use lab::LAB::*;`, and
//! has a type `Student` that implements that lab's trait. The same file runs in the kernel, where
//! `proto student` chooses it and every command, fault, breakpoint and trace works on it, and in the explorer,
//! which tries every interleaving of it.
//!
//! | lab | trait | what you write | what is there |
//! |---|---|---|---|
//! | [`two`] | [`two::Ring`] | how an interrupt is sent | both halves of the protocol |
//! | [`three`] | [`three::OneAtATime`] | the initiator of the global-lock protocol | the handler, the words |
//! | [`four`] | [`four::Initiator`] | the initiator of the scoreboard protocol | the handler, the words |
//! | [`five`] | [`five::Handler`] | the handler | the initiator, the words |
//! | [`six`] | [`six::Members`] | how a CPU enters and leaves a space, and whom an initiator asks | both halves of the protocol |
//! | [`seven`] | [`seven::Careful`] | an initiator that outlives lost interrupts | the handler, the words |
//! | [`ten`] | [`ten::Fast`] | both halves, and where the slots lie | the words |
//!
//! # The machine
//! [`Machine`] is the CPU that your code runs on, and the only way to touch anything: no statics, no cells,
//! no atomics of your own. Each of its calls says which point it passes; `break`, `fault` and `trace` know
//! points by those names.
//!
//! | call | what it does | ordering | costs |
//! |---|---|---|---|
//! | `m.me()` | this CPU's number; true while pinned only | none | a load |
//! | `m.pin()`, `m.unpin()` | the thread stays on its CPU between | none | an addition |
//! | `Critical::enter(m)` | no other thread runs on this CPU until it is dropped | none | an addition; a switch that came due follows the drop |
//! | `m.interrupts_enabled()` | whether interrupts are taken | none | a few instructions |
//! | `m.disable_interrupts()`, `m.enable_interrupts()` | masks and unmasks them | none | one instruction |
//! | `m.fence(order)` | `Release`: what came before is seen before any store that follows. `Acquire`: what follows is read after any load before. `SeqCst`: both, and stores before loads | as said | none on x86, but `SeqCst`: some 30 cycles |
//! | `m.send(to)` | the shootdown interrupt | stores before it are seen by the handler that it starts; it is a full fence | one ICR write for each CPU, or one for all |
//! | `m.spin_until(cond)` | repeats `cond` until it holds; interrupts are taken meanwhile if they are enabled | what the loads of `cond` say | the wait |
//! | `m.spin_resending(cond, resend)` | the same, and calls `resend` whenever it has lasted too long | the same | the same |
//! | `m.resend(cpus)` | the shootdown interrupt once more, to CPUs that are late | as `send` | as `send` |
//! | `m.scan(find)` | for a handler: looks once for a request | what the loads of `find` say | a load for each CPU |
//! | `m.invalidate(&request)` | for a handler: does on this CPU what is asked | INVLPG and CR3 loads are full fences | about 200 cycles a page on hardware |
//! | `m.invalidate_locally(&request)` | the same for an initiator | the same | the same |
//!
//! # Words
//! Shared memory is [`Word`]s. `load` and `store` pass the point that the word stands for; `peek` passes none,
//! so use it in the conditions of waits and scans. An order that is too weak works on x86 nearly always, and
//! fails in the explorer's weaker memory at once.
//!
//! # An example
//! A CPU waits until another has answered:
//!
//! ```
//! use lab::*;
//!
//! fn wait_for<M: Machine>(m: &M, slot: &M::Word<u32, Slot>, generation: u32) -> Result<(), Abandoned> {
//!     m.spin_until(|| slot.peek(Acquire) == generation)
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[macro_use]
mod half;
mod board;
pub mod five;
pub mod four;
pub mod seven;
pub mod six;
pub mod ten;
pub mod three;
pub mod two;

pub use board::Board;
pub use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
pub use shootdown::scoreboard::RequestWords;
pub use shootdown::{
    Abandoned, Acknowledged, Active, CpuId, CpuSet, Critical, Destination, Machine, Operation,
    PAGE_SIZE, Request, Slot, Snapshot, SpaceId, Targets, Tlb, Word,
};
