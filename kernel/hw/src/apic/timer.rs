//! The local APIC's timer (11.5.4), and how fast it counts.

use super::Vector;
use super::registers as reg;
use crate::clock::{self, PmTimer, Reference};
use core::sync::atomic::{AtomicU64, Ordering};

/// By how much the timer's input is slowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Divide {
    /// Not at all.
    By1,
    /// By 2.
    By2,
    /// By 4.
    By4,
    /// By 8.
    By8,
    /// By 16.
    By16,
    /// By 32.
    By32,
    /// By 64.
    By64,
    /// By 128.
    By128,
}

impl Divide {
    const ALL: [Divide; 8] = [
        Divide::By1,
        Divide::By2,
        Divide::By4,
        Divide::By8,
        Divide::By16,
        Divide::By32,
        Divide::By64,
        Divide::By128,
    ];

    /// The divisor's base-2 logarithm.
    const fn log2(self) -> u32 {
        self as u32
    }

    /// The register's value (figure 11-10): bits 0, 1 and 3 count 2, 4 … 128, 1.
    const fn bits(self) -> u32 {
        let code = (self.log2() + 7) % 8;
        code & 0b11 | (code & 0b100) << 1
    }
}

/// Whether the timer stops at zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// One interrupt.
    Once,
    /// One interrupt each time the count reaches zero, then from the initial count again.
    Periodic,
}

/// The timer's input clock in Hz; 1 GHz, QEMU's, until calibrated.
static HZ: AtomicU64 = AtomicU64::new(1_000_000_000);

/// How fast the clocks are, and how that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Calibration {
    /// What they were compared with.
    pub reference: Reference,
    /// The time-stamp counter's frequency in Hz.
    pub tsc_hz: u64,
    /// The APIC timer's input clock in Hz.
    pub timer_hz: u64,
}

/// Measures the time-stamp counter and this CPU's APIC timer against the ACPI PM timer or the PIT,
/// for one millisecond; from then on [`hz`] and [`clock::tsc_hz`] are right for all CPUs.
///
/// Where neither is there, believes CPUID about the time-stamp counter, and failing that assumes
/// 1 GHz: [`Calibration::reference`] says which. Never waits longer than two milliseconds for
/// clocks that tick. For the boot CPU, with interrupts off, after [`enable`](super::enable); the
/// timer is stopped afterwards.
pub fn calibrate(pm_timer: Option<PmTimer>) -> Calibration {
    stop();
    reg::write(reg::TIMER_DIVIDE, Divide::By1.bits());
    reg::write(reg::TIMER_INITIAL, u32::MAX);
    // The timer counts down.
    let window = clock::calibrate(pm_timer, || u32::MAX - current());
    stop();
    // A timer that does not count is left at the default: it then never interrupts at all.
    if window.other_hz != 0 {
        HZ.store(window.other_hz, Ordering::Relaxed);
    }
    Calibration {
        reference: window.reference,
        tsc_hz: window.tsc_hz,
        timer_hz: hz(),
    }
}

/// The timer's input clock in Hz, before [`Divide`].
pub fn hz() -> u64 {
    HZ.load(Ordering::Relaxed)
}

/// Starts this CPU's timer: `vector` is interrupted after `count` ticks of the divided input.
/// What it did before is forgotten. A count of 0 stops it.
pub fn start(vector: Vector, repeat: Repeat, count: u32, divide: Divide) {
    let periodic = if repeat == Repeat::Periodic {
        reg::TIMER_PERIODIC
    } else {
        0
    };
    reg::write(reg::TIMER_DIVIDE, divide.bits());
    reg::write(reg::LVT_TIMER, periodic | u32::from(vector.number()));
    // This write starts it.
    reg::write(reg::TIMER_INITIAL, count);
}

/// Starts this CPU's timer for `us` microseconds (at least one tick; at most what 32 bits at the
/// slowest divisor hold, over 500 s at 1 GHz).
pub fn start_us(vector: Vector, repeat: Repeat, us: u64) {
    let (count, divide) = plan(us, hz());
    start(vector, repeat, count, divide);
}

/// The finest divisor whose count fits, and the count.
fn plan(us: u64, hz: u64) -> (u32, Divide) {
    let ticks = u128::from(us) * u128::from(hz) / 1_000_000;
    for divide in Divide::ALL {
        if let Ok(count) = u32::try_from(ticks >> divide.log2()) {
            return (count.max(1), divide);
        }
    }
    (u32::MAX, Divide::By128)
}

/// Stops and masks this CPU's timer. An interrupt that is already pending still comes.
pub fn stop() {
    reg::write(
        reg::LVT_TIMER,
        reg::MASKED | u32::from(super::SPURIOUS_VECTOR),
    );
    reg::write(reg::TIMER_INITIAL, 0);
}

/// What is left of this CPU's count; 0 when the timer is stopped.
pub fn current() -> u32 {
    reg::timer_current()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_divisor_is_encoded_as_the_manual_scatters_it() {
        let encoded = Divide::ALL.map(Divide::bits);
        assert_eq!(
            encoded,
            [
                0b1011, 0b0000, 0b0001, 0b0010, 0b0011, 0b1000, 0b1001, 0b1010
            ]
        );
    }

    #[test]
    fn a_long_period_is_slowed_not_cut() {
        assert_eq!(plan(10_000, 1_000_000_000), (10_000_000, Divide::By1));
        assert_eq!(
            plan(10_000_000, 1_000_000_000),
            (2_500_000_000, Divide::By4)
        );
        assert_eq!(plan(u64::MAX, u64::MAX), (u32::MAX, Divide::By128));
    }

    #[test]
    fn a_period_below_one_tick_still_interrupts() {
        assert_eq!(plan(0, 1_000_000_000), (1, Divide::By1));
    }
}
