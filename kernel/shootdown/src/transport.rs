//! How an interrupt is sent, write by write: the local APIC's interrupt command register (SDM vol. 3A, 11.6.1).
//!
//! A kernel sends through its own driver. This is the seam for a transport from outside, which is to learn what
//! such a driver has to see to.

use crate::{CpuId, CpuSet, Machine};

/// The vector of the shootdown interrupt.
pub const VECTOR: u8 = 244;

/// The previous command was not accepted: nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stuck;

/// The command register of the CPU this runs on. Every CPU has its own; interrupt handlers that send use it too.
pub trait CommandRegister {
    /// Whether the local APICs are in x2APIC mode. The same for as long as the machine runs.
    fn x2apic(&self) -> bool;

    /// The APIC id of a CPU: 8 bits of it in xAPIC mode.
    fn apic_id(&self, cpu: CpuId) -> u32;

    /// xAPIC mode: writes bits 32 to 63. Bits 24 to 31 of `high` are the destination's APIC id. Sends nothing.
    fn write_high(&self, high: u32);

    /// xAPIC mode: writes bits 0 to 31, and so sends the interrupt, to whatever bits 32 to 63 say at this moment. Stores
    /// made before it are visible first, since the register's page is uncached (SDM vol. 3A, 12.3).
    fn write_low(&self, low: u32);

    /// xAPIC mode: reads bits 0 to 31. Bit 12 is set until the last command was accepted.
    fn read_low(&self) -> u32;

    /// x2APIC mode: writes the 64-bit register by WRMSR, and so sends. The destination is the whole upper half. There is
    /// no status to wait for. Not ordered after earlier stores (SDM vol. 3A, 11.12.3).
    fn write_msr(&self, command: u64);

    /// Repeats `condition` until it holds, for as long as a command may take to be accepted. Passes no point.
    ///
    /// # Errors
    /// [`Stuck`] if it did not hold for so long.
    fn wait_briefly<F: FnMut() -> bool>(&self, condition: F) -> Result<(), Stuck>;
}

/// A way to send the shootdown interrupt.
pub trait Transport<M: Machine>: Sync {
    /// Sends it to each CPU of `to`, and to no other; none is this one. Interrupts are afterwards as they were before.
    ///
    /// # Errors
    /// [`Stuck`] if a command was not accepted: CPUs of `to` may have been left out.
    fn send(&self, m: &M, to: CpuSet) -> Result<(), Stuck>;
}
