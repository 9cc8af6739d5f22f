//! gdb's remote protocol, between a serial port and a machine that can be stopped.
//!
//! The crate `gdbstub` takes packets apart and answers them. Here is what it leaves open:
//!
//! - [`framer`] finds packets in whatever comes in: noise, halves, wrong checksums and endless ones
//!   never get as far as `gdbstub`, and never keep the next good packet from it.
//! - [`outgoing`] sends whole packets, and again if they did not arrive.
//! - [`registers`] is the one table of registers.
//! - [`machine`] is what the kernel implements: stopped CPUs by number, their registers and memory.
//! - [`stub`] joins them. It holds no locks, allocates nothing, and can be entered on another CPU
//!   each time.
//!
//! A CPU is a thread to gdb: CPU n is thread n + 1 of the only process.
//!
//! Source for the protocol: the gdb manual, appendix "Remote Protocol".
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, fuzzing))]
extern crate std;

#[cfg(any(test, fuzzing))]
pub mod fake;
pub mod framer;
pub mod machine;
pub mod outgoing;
pub mod registers;
pub mod stub;
mod target;

#[cfg(test)]
mod tests;

pub use machine::{Access, Machine, Plan, Port, Probed, Reason, Received, Refused, Stop};
pub use registers::{COUNT, Register};
pub use stub::{Ending, Stub, Wish};
