//! The kernel: boot, bring-up, threads, address spaces, and the wiring between the protocols of
//! `shootdown`, the machine of `hw` and the commands of `shell`.
//!
//! A reader who wants the protocol starts at `shootdown`. Here, [`machine`] is where its seam
//! meets the hardware, [`space`] is who causes shootdowns, [`trap`] is where their interrupts
//! arrive, and [`thread`] is what they interrupt.
//!
//! The host builds none of this: it is for `x86_64-unknown-none` only.
#![no_std]
#![cfg(target_os = "none")]
#![deny(unsafe_code)]
// These pages are read with the source: links may lead to what is private.
#![allow(rustdoc::private_intra_doc_links)]

extern crate alloc;

pub mod audit;
pub mod backtrace;
pub mod bench;
pub mod boot;
pub mod channel;
pub mod commands;
pub mod console;
pub mod faults;
pub mod gdb;
pub mod job;
pub mod ledger;
pub mod machine;
pub mod options;
pub mod panic;
pub mod park;
pub mod places;
pub mod points;
pub mod programs;
pub mod protocols;
pub mod random;
pub mod selftest;
pub mod space;
pub mod stop;
pub mod storm;
pub mod symbols;
pub mod syscall;
pub mod thread;
pub mod trace;
pub mod transports;
pub mod trap;
pub mod violations;
pub mod watchdog;
pub mod witness;
