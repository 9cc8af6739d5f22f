//! The one crate that touches the machine: everything `unsafe` in the kit is here.
//!
//! 1. **Safe to call.** No public function here can break Rust's rules for the crates above,
//!    whatever they pass: what would is checked, or cannot be expressed. They may still stop the
//!    machine, mis-map ring 3's pages or leave a TLB stale; that is what the kit is for.
//! 2. **Each block answers.** Every `unsafe` block says why what it relies on holds.
//! 3. **Mechanism only.** Which shootdown protocol runs, who is scheduled and what a command means
//!    is decided above.
#![no_std]
// The host builds this crate for the tests of its pure parts only.
#![cfg_attr(not(target_os = "none"), allow(dead_code, unused_imports))]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod acpi;
#[cfg(target_os = "none")]
pub mod ap;
pub mod apic;
pub mod boot;
pub mod clock;
pub mod context;
pub mod cpuid;
pub mod debug;
pub mod debugcon;
pub mod descriptors;
pub mod entry;
pub mod exit;
pub mod frames;
pub mod heap;
pub mod interrupts;
pub mod ioapic;
pub mod paging;
pub mod percpu;
pub mod phys;
pub mod pic;
pub mod probe;
pub mod programs;
pub mod rtc;
pub mod stack;
pub mod sync;
pub mod tlb;
pub mod trace;
pub mod uart;
