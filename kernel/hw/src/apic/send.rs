//! Writing the interrupt command register (protocol.md §6, claim 7).

use super::registers::{self as reg, Page, Path};
use super::{Destination, Icr, Unreachable, Vector};
use crate::clock::Deadline;
use crate::{interrupts, tlb};
use core::arch::asm;
use core::fmt;
use core::hint::spin_loop;

/// How long an accepted-by-nobody interrupt may block the next, in microseconds.
const STUCK_AFTER_US: u64 = 1_000_000;

/// The previous interrupt was not accepted for so long that this one was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stuck {
    /// How long the delivery status stayed "pending", in microseconds.
    pub waited_us: u64,
}

/// Why an interrupt was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// xAPIC mode: the previous one is stuck.
    Stuck(Stuck),
    /// The destination has no address in this mode.
    Unreachable(Unreachable),
}

impl From<Unreachable> for SendError {
    fn from(unreachable: Unreachable) -> Self {
        SendError::Unreachable(unreachable)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Stuck(stuck) => {
                write!(
                    f,
                    "previous IPI is stuck: still pending after {} us",
                    stuck.waited_us
                )
            }
            SendError::Unreachable(unreachable) => unreachable.fmt(f),
        }
    }
}

/// Sends one inter-processor interrupt, and returns before it is delivered.
///
/// Stores made before it are visible to the handler that it starts, and no load after it is done
/// before those stores are visible: it is a store-to-load barrier in both modes.
/// Interrupts may be on or off; they are as they were afterwards.
///
/// # Errors
/// [`SendError`]; nothing was sent then.
///
/// # Panics
/// Before the first [`enable`](super::enable).
#[inline]
pub fn send(icr: Icr) -> Result<(), SendError> {
    match reg::path() {
        Path::Page(page) => send_through_page(page, icr),
        Path::Msrs => send_by_msr(icr),
    }
}

/// xAPIC: two writes that an interrupt handler which sends must not come between (I14). They go to
/// an uncached page, so earlier stores are visible before them (12.3); that later loads wait for
/// those stores is written down only by AMD (volume 2, 7.4), so a fence makes sure.
#[inline]
fn send_through_page(page: Page, icr: Icr) -> Result<(), SendError> {
    let (high, low) = icr.xapic()?;
    tlb::fence();
    let _off = interrupts::Off::new();
    if page.register(reg::ICR_LOW).read() & reg::SEND_PENDING != 0 {
        wait_for_acceptance(page)?;
    }
    page.register(reg::ICR_HIGH).write(high);
    // This one sends.
    page.register(reg::ICR_LOW).write(low);
    Ok(())
}

/// x2APIC: one write, without delivery status. WRMSR to the APIC's registers is not serialising and
/// may be done before earlier stores are visible (11.12.3).
#[inline]
fn send_by_msr(icr: Icr) -> Result<(), SendError> {
    let command = icr.x2apic()?;
    fence_before_wrmsr();
    reg::write_wide(reg::ICR_LOW, command);
    Ok(())
}

/// MFENCE makes earlier stores visible; LFENCE holds back what is no memory access, such as WRMSR,
/// until that is done. The manual asks for the pair in this order (11.12.3).
#[inline(always)]
fn fence_before_wrmsr() {
    // SAFETY: orders this CPU's instructions, nothing else.
    unsafe { asm!("mfence", "lfence", options(nostack, preserves_flags)) };
}

/// Polls the delivery status until the previous interrupt was accepted.
#[cold]
fn wait_for_acceptance(page: Page) -> Result<(), SendError> {
    let deadline = Deadline::after_us(STUCK_AFTER_US);
    while page.register(reg::ICR_LOW).read() & reg::SEND_PENDING != 0 {
        if deadline.expired() {
            return Err(SendError::Stuck(Stuck {
                waited_us: deadline.elapsed_us(),
            }));
        }
        spin_loop();
    }
    Ok(())
}

/// Sends `icr`, and lets the whole of another send, of `between`, come between its two writes of
/// xAPIC mode, as would an interrupt handler that sends: the second write then sends `icr` to where
/// `between` went (I14). In x2APIC mode there is one write, which nothing comes between: both are
/// sent as they are.
///
/// # Errors
/// As [`send`].
pub fn send_torn(icr: Icr, between: Icr) -> Result<(), SendError> {
    let Path::Page(page) = reg::path() else {
        send(between)?;
        return send(icr);
    };
    let (high, low) = icr.xapic()?;
    tlb::fence();
    let _off = interrupts::Off::new();
    page.register(reg::ICR_HIGH).write(high);
    send(between)?;
    wait_for_acceptance(page)?;
    page.register(reg::ICR_LOW).write(low);
    Ok(())
}

/// Interrupts the CPU with APIC id `id` at `vector`.
///
/// # Errors
/// As [`send`].
#[inline]
pub fn send_fixed(id: u32, vector: Vector) -> Result<(), SendError> {
    send(Icr::fixed(Destination::Cpu(id), vector))
}

/// Interrupts every CPU but this one at `vector`, by one command. CPUs that were never started
/// ignore it; CPUs that were started and left out do not.
///
/// # Errors
/// As [`send`].
#[inline]
pub fn broadcast_others(vector: Vector) -> Result<(), SendError> {
    send(Icr::fixed(Destination::Others, vector))
}

/// Sends a non-maskable interrupt to the CPU with APIC id `id`.
///
/// # Errors
/// As [`send`].
pub fn send_nmi(id: u32) -> Result<(), SendError> {
    send(Icr::nmi(Destination::Cpu(id)))
}

/// Does `work`, which may send, in a handler that can come between the two writes of a send (I14):
/// an NMI's, a debug exception's. In xAPIC mode the half that was written is put back, and what
/// `work` sent has been accepted, or is stuck, when this returns.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let Path::Page(page) = reg::path() else {
        return work();
    };
    let high = page.register(reg::ICR_HIGH).read();
    let result = work();
    // A stuck one shows at the next send.
    let _ = wait_for_acceptance(page);
    page.register(reg::ICR_HIGH).write(high);
    result
}

/// Resets the CPU with APIC id `id` to wait for [`send_startup`] (the first step of 9.4.4).
///
/// # Errors
/// As [`send`].
///
/// # Safety
/// As [`Icr::init`].
pub unsafe fn send_init(id: u32) -> Result<(), SendError> {
    // SAFETY: the caller's promise is the same.
    send(unsafe { Icr::init(Destination::Cpu(id)) })
}

/// Starts the CPU with APIC id `id` at physical address `page * 4096`.
///
/// # Errors
/// As [`send`].
///
/// # Safety
/// As [`Icr::startup`].
pub unsafe fn send_startup(id: u32, page: u8) -> Result<(), SendError> {
    // SAFETY: the caller's promise is the same.
    send(unsafe { Icr::startup(Destination::Cpu(id), page) })
}
