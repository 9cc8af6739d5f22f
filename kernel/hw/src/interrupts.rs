//! This CPU's interrupt flag.

use crate::entry::Frame;
use core::arch::naked_asm;
pub use x86_64::instructions::interrupts::{are_enabled, disable, enable};
use x86_64::registers::control::{Cr8, PriorityClass};

/// Sleeps until the next interrupt. Interrupts are on afterwards.
///
/// Enabling and halting are one step (STI's shadow), so an interrupt that came in before, while
/// they were off, is not slept through.
pub fn wait() {
    enable_and_halt();
}

/// STI and HLT, in a stack frame: a backtrace of an idle CPU names who sleeps.
#[unsafe(naked)]
extern "sysv64" fn enable_and_halt() {
    naked_asm!("push rbp", "mov rbp, rsp", "sti", "hlt", "pop rbp", "ret")
}

/// Where HLT lies in [`enable_and_halt`]: past a push (1 byte), a move (3) and STI (1).
const HALT: u64 = 5;

/// Has what an NMI or a debug exception interrupted in [`wait`], between its two instructions, not
/// halt any more: STI's shadow has gone, so an interrupt that came in before would be taken first,
/// and the halt would sleep through what that was to wake.
#[inline(always)]
pub(crate) fn pass_halt(frame: &mut Frame) {
    let halt = enable_and_halt as *const () as u64 + HALT;
    if frame.rip == halt {
        frame.rip += 1;
    }
}

/// Holds back every interrupt that passes the local APIC's priorities, by raising this CPU's task
/// priority to the highest class, or no longer (SDM vol. 3A, 11.8.3.1). The 8259's, NMIs and
/// exceptions still come.
pub fn hold_back_fixed(hold: bool) {
    let class = hold.then_some(PriorityClass::PriorityClass15);
    Cr8::write(class);
}

/// Halts with the interrupt flag as it is: with interrupts off, until an NMI.
pub fn halt() {
    x86_64::instructions::hlt();
}

/// Interrupts are off on this CPU until this is dropped, which puts them back as they were.
#[derive(Debug)]
#[must_use = "interrupts come back when this is dropped"]
pub struct Off {
    were_enabled: bool,
    /// The flag is the CPU's: the value may not move to another.
    _cpu: core::marker::PhantomData<*mut ()>,
}

impl Off {
    /// Turns them off.
    #[inline(always)]
    pub fn new() -> Self {
        let were_enabled = are_enabled();
        disable();
        Off {
            were_enabled,
            _cpu: core::marker::PhantomData,
        }
    }
}

impl Default for Off {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Off {
    #[inline(always)]
    fn drop(&mut self) {
        if self.were_enabled {
            enable();
        }
    }
}
