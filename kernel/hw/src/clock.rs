//! Time: the time-stamp counter, and what it is calibrated against.
//!
//! One counter serves all CPUs: QEMU and Bochs keep the CPUs' time-stamp counters equal, as does
//! hardware with an invariant one. Nothing in the kit grades by it.

mod reference;

pub(crate) use reference::calibrate;
pub use reference::{PmTimer, Reference};

use core::arch::asm;
use core::arch::x86_64::_rdtsc;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering};

/// Ticks of the time-stamp counter in a second; 1 GHz, which is what icount makes of it, until
/// calibrated.
static TSC_HZ: AtomicU64 = AtomicU64::new(1_000_000_000);

/// For how many ticks the machine stood still.
static HELD: AtomicU64 = AtomicU64::new(0);

/// The time-stamp counter, in ticks, less those for which the whole machine stood still ([`hold`]).
/// Not ordered: it may be read before earlier loads and stores are done, and after later ones began.
#[inline(always)]
pub fn now() -> u64 {
    loop {
        let held = HELD.load(Ordering::Relaxed);
        let now = raw().wrapping_sub(held);
        // A stop between the two would count in full.
        if HELD.load(Ordering::Relaxed) == held {
            return now;
        }
    }
}

/// The time-stamp counter, in ticks, as it stands.
#[inline(always)]
pub fn raw() -> u64 {
    // SAFETY: every 64-bit CPU has the instruction; CR4.TSD does not forbid it to the kernel.
    unsafe { _rdtsc() }
}

/// Every CPU stood still for `ticks`, because a debugger held them: for nobody's deadline do they
/// count. Before they run on.
pub fn hold(ticks: u64) {
    HELD.fetch_add(ticks, Ordering::SeqCst);
}

/// The time-stamp counter, in ticks, read after all earlier loads are done and before any later
/// instruction begins (LFENCE on both sides; SDM vol. 2B, RDTSC).
#[inline(always)]
pub fn now_ordered() -> u64 {
    let (high, low): (u32, u32);
    // SAFETY: as in `now`; the fences only order.
    unsafe {
        asm!("lfence", "rdtsc", "lfence", out("edx") high, out("eax") low, options(nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Ticks of the time-stamp counter in a second: measured, told or assumed, as
/// [`Calibration::reference`](crate::apic::timer::Calibration::reference) says. 1 GHz before that.
pub fn tsc_hz() -> u64 {
    TSC_HZ.load(Ordering::Relaxed)
}

/// How many microseconds `ticks` last, rounded down.
pub fn to_us(ticks: u64) -> u64 {
    scale(ticks, 1_000_000, tsc_hz())
}

/// How many ticks `us` microseconds last, rounded down; the highest number if they do not fit.
pub fn from_us(us: u64) -> u64 {
    scale(us, tsc_hz(), 1_000_000)
}

/// `value * numerator / denominator` without overflow on the way; saturates.
fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// A moment to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    start: u64,
    ticks: u64,
}

impl Deadline {
    /// `us` microseconds from now.
    pub fn after_us(us: u64) -> Self {
        Deadline {
            start: now(),
            ticks: from_us(us),
        }
    }

    /// Whether the moment is there.
    #[inline]
    pub fn expired(self) -> bool {
        self.elapsed() >= self.ticks
    }

    /// How long ago the wait began, in microseconds.
    pub fn elapsed_us(self) -> u64 {
        to_us(self.elapsed())
    }

    /// A counter that was set back reads as no time, rather than as ages.
    fn elapsed(self) -> u64 {
        now().saturating_sub(self.start)
    }
}

/// Computes for about a microsecond without a `pause`, then pauses: a turn of a wait that is long anyway. Under icount a
/// `pause` costs the host far more than the time that it takes up.
pub fn compute() {
    for turn in 0..256 {
        core::hint::black_box(turn);
    }
    spin_loop();
}

/// Waits `us` microseconds, with `pause` in each round. Interrupts stay as they are.
pub fn spin_us(us: u64) {
    let deadline = Deadline::after_us(us);
    while !deadline.expired() {
        spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_of_ticks_does_not_overflow_on_its_way_to_microseconds() {
        let year = 365 * 24 * 3600;
        assert_eq!(
            scale(year * 5_000_000_000, 1_000_000, 5_000_000_000),
            year * 1_000_000
        );
        assert_eq!(scale(u64::MAX, 5_000_000_000, 1_000_000), u64::MAX);
        assert_eq!(scale(1, 1, 0), 1);
    }

    #[test]
    fn a_deadline_expires_and_not_at_once() {
        let deadline = Deadline::after_us(20_000);
        assert!(!deadline.expired());
        spin_us(20_000);
        assert!(deadline.expired());
        assert!(deadline.elapsed_us() >= 20_000);
    }

    #[test]
    fn ordered_and_plain_readings_are_of_one_counter() {
        let (before, between, after) = (now_ordered(), now(), now_ordered());
        assert!(before <= between && between <= after);
    }
}
