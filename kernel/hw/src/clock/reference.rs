//! Measuring one clock by another whose speed is known.

use super::{TSC_HZ, now, now_ordered, scale};
use core::arch::x86_64::{__cpuid, CpuidResult};
use core::fmt;
use core::hint::spin_loop;
use core::sync::atomic::Ordering;
use x86_64::instructions::port::Port;

/// The PIT's input clock (Intel 8254) in Hz.
const PIT_HZ: u32 = 1_193_182;
/// The PM timer's clock in Hz (ACPI 6.5, 4.8.3.3).
const PM_TIMER_HZ: u32 = 3_579_545;
/// The most reads for which a clock that ticks may stand still. A read takes an instruction or more;
/// the slower of the two ticks each 838 instructions under `-icount shift=0`.
const STILL: u32 = 10_000;
/// The most reads in one window: a bound, should a clock stop in the middle.
const WINDOW_READS: u32 = 10_000_000;
/// Of so many readings of two clocks the one with the least time between is taken.
const ATTEMPTS: u32 = 4;

/// The ACPI power-management timer: a port whose value counts up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PmTimer {
    /// Its I/O port.
    pub port: u16,
    /// Whether it has 32 bits; 24 otherwise.
    pub wide: bool,
}

/// Where the frequencies come from, best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reference {
    /// Measured against the ACPI PM timer.
    PmTimer,
    /// Measured against channel 2 of the PIT.
    Pit,
    /// CPUID told the time-stamp counter's; others measured against that.
    Cpuid,
    /// Nobody knows: 1 GHz assumed for the time-stamp counter; others measured against that.
    Assumed,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reference::PmTimer => "measured by the ACPI PM timer",
            Reference::Pit => "measured by the PIT",
            Reference::Cpuid => "told by CPUID",
            Reference::Assumed => "assumed, no reference clock answers",
        })
    }
}

/// What [`calibrate`] found, in Hz.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frequencies {
    pub reference: Reference,
    pub tsc_hz: u64,
    /// That of `other`; 0 if it stood still.
    pub other_hz: u64,
}

/// Measures the time-stamp counter and `other`, a counter that counts up and wraps at 32 bits, over
/// one millisecond of the best reference there is, and keeps the former for [`super::tsc_hz`].
pub(crate) fn calibrate(pm_timer: Option<PmTimer>, mut other: impl FnMut() -> u32) -> Frequencies {
    let found = pm_timer
        .and_then(|timer| measure(&mut timer.counter(), &mut other))
        .map(|window| window.frequencies(Reference::PmTimer))
        .or_else(|| {
            measure(&mut pit(), &mut other).map(|window| window.frequencies(Reference::Pit))
        })
        .unwrap_or_else(|| without_reference(&mut other));
    TSC_HZ.store(found.tsc_hz, Ordering::Relaxed);
    found
}

/// A clock of known speed.
struct Counter<F> {
    read: F,
    hz: u32,
    /// The bits it counts in: it wraps there.
    mask: u32,
}

impl PmTimer {
    fn counter(self) -> Counter<impl FnMut() -> u32> {
        let mut port = Port::<u32>::new(self.port);
        // SAFETY: the port is where the firmware's tables have the PM timer; should they lie, a
        // read of some other device's port can upset that device, but no memory.
        let read = move || unsafe { port.read() };
        Counter {
            read,
            hz: PM_TIMER_HZ,
            mask: if self.wide { u32::MAX } else { 0xff_ffff },
        }
    }
}

/// Channel 2 of the PIT, counting through 16 bits again and again, the speaker off.
fn pit() -> Counter<impl FnMut() -> u32> {
    const CHANNEL_2: u16 = 0x42;
    const COMMAND: u16 = 0x43;
    const GATE: u16 = 0x61;
    /// Channel 2, low byte then high byte, mode 2 (rate generator), binary.
    const RATE_GENERATOR: u8 = 0b1011_0100;
    /// Channel 2: freeze the count for the two reads that follow.
    const LATCH: u8 = 0b1000_0000;
    let mut data = Port::<u8>::new(CHANNEL_2);
    let mut command = Port::<u8>::new(COMMAND);
    let mut gate = Port::<u8>::new(GATE);
    // SAFETY: these are the PIT's and the system control port's fixed places on a PC; channel 2
    // drives nothing but the speaker, whose bit is cleared. Where the PIT is missing nothing answers.
    unsafe {
        let control = gate.read();
        gate.write(control & !0b11 | 0b01);
        command.write(RATE_GENERATOR);
        data.write(0);
        data.write(0);
    }
    let read = move || {
        // SAFETY: as above.
        let count = unsafe {
            command.write(LATCH);
            u16::from_le_bytes([data.read(), data.read()])
        };
        // It counts down.
        u32::from(count.wrapping_neg())
    };
    Counter {
        read,
        hz: PIT_HZ,
        mask: 0xffff,
    }
}

/// Three clocks at one moment.
#[derive(Clone, Copy)]
struct Sample {
    reference: u32,
    tsc: u64,
    other: u32,
}

/// Reads all three, as close together as [`ATTEMPTS`] tries get.
///
/// Never inlined: an emulator translates code when it first runs, which takes longer than the
/// readings. So all samples run the same code, and the first is for that alone.
#[inline(never)]
fn sample(read: &mut impl FnMut() -> u32, other: &mut impl FnMut() -> u32) -> Sample {
    let mut best: Option<(u64, Sample)> = None;
    for _ in 0..ATTEMPTS {
        let before = now_ordered();
        let reference = read();
        let tsc = now_ordered();
        let taken = Sample {
            reference,
            tsc,
            other: other(),
        };
        let spread = now_ordered().wrapping_sub(before);
        if best.is_none_or(|(least, _)| spread < least) {
            best = Some((spread, taken));
        }
    }
    best.expect("ATTEMPTS is not zero").1
}

/// How far three clocks went in the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Window {
    hz: u32,
    reference: u32,
    tsc: u64,
    other: u32,
}

impl Window {
    fn frequencies(self, reference: Reference) -> Frequencies {
        let hz = |ticks: u64| scale(ticks, u64::from(self.hz), u64::from(self.reference));
        Frequencies {
            reference,
            tsc_hz: hz(self.tsc),
            other_hz: hz(u64::from(self.other)),
        }
    }
}

/// Lets `counter` run for a millisecond. `None` if it stands still, or so nearly that the window
/// never ends.
fn measure<F: FnMut() -> u32>(
    counter: &mut Counter<F>,
    other: &mut impl FnMut() -> u32,
) -> Option<Window> {
    let Counter { read, hz, mask } = counter;
    let first = read();
    (0..STILL).find(|_| read() != first)?;
    sample(read, other);
    let start = sample(read, other);
    let passed = |reference: u32| reference.wrapping_sub(start.reference) & *mask;
    let millisecond = *hz / 1000;
    (0..WINDOW_READS).find(|_| {
        spin_loop();
        passed(read()) >= millisecond
    })?;
    let end = sample(read, other);
    Some(Window {
        hz: *hz,
        reference: passed(end.reference),
        tsc: end.tsc.wrapping_sub(start.tsc),
        other: end.other.wrapping_sub(start.other),
    })
}

/// Takes the time-stamp counter's own word, or 1 GHz, and measures `other` by that.
fn without_reference(other: &mut impl FnMut() -> u32) -> Frequencies {
    let (reference, tsc_hz) = match told_by_cpuid(&__cpuid) {
        Some(hz) => (Reference::Cpuid, hz),
        None => (Reference::Assumed, 1_000_000_000),
    };
    let (start, first) = (now(), other());
    while now().saturating_sub(start) < tsc_hz / 1000 {
        spin_loop();
    }
    let ticks = now().saturating_sub(start).max(1);
    let other_hz = scale(u64::from(other().wrapping_sub(first)), tsc_hz, ticks);
    Frequencies {
        reference,
        tsc_hz,
        other_hz,
    }
}

/// The time-stamp counter's frequency as the CPU tells it (SDM 20.7.3), or the hypervisor (leaf
/// 0x40000010, in kHz, a convention of VMware that KVM follows).
fn told_by_cpuid(cpuid: &dyn Fn(u32) -> CpuidResult) -> Option<u64> {
    let highest = cpuid(0).eax;
    if highest >= 0x15 {
        let ratio = cpuid(0x15);
        if ratio.eax != 0 && ratio.ebx != 0 && ratio.ecx != 0 {
            return Some(scale(
                u64::from(ratio.ecx),
                u64::from(ratio.ebx),
                u64::from(ratio.eax),
            ));
        }
    }
    let under_hypervisor = cpuid(1).ecx & 1 << 31 != 0;
    if under_hypervisor && (0x4000_0010..0x4000_1000).contains(&cpuid(0x4000_0000).eax) {
        let khz = cpuid(0x4000_0010).eax;
        if khz != 0 {
            return Some(u64::from(khz) * 1000);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(mut value: u32, step: u32, mask: u32) -> Counter<impl FnMut() -> u32> {
        let read = move || {
            value = value.wrapping_add(step) & mask;
            value
        };
        Counter {
            read,
            hz: 1_000_000,
            mask,
        }
    }

    #[test]
    fn a_dead_reference_clock_is_given_up_not_waited_for() {
        let mut reads = 0;
        let read = || {
            reads += 1;
            0xffff
        };
        let mut dead = Counter {
            read,
            hz: PIT_HZ,
            mask: 0xffff,
        };
        assert_eq!(measure(&mut dead, &mut || 0), None);
        assert!(reads <= STILL + 1, "{reads} reads");
    }

    #[test]
    fn a_reference_that_wraps_during_the_window_still_measures_it() {
        let mut readings = 0;
        let mut other = || {
            readings += 7;
            readings
        };
        let window = measure(&mut counter(0xff_ff00, 1, 0xff_ffff), &mut other).unwrap();
        assert!((1000..1100).contains(&window.reference), "{window:?}");
        assert!(window.other > 0);
    }

    #[test]
    fn frequencies_are_ticks_in_the_windows_own_length() {
        let window = Window {
            hz: PIT_HZ,
            reference: 1193,
            tsc: 3_000_000,
            other: 1_000_000,
        };
        let found = window.frequencies(Reference::Pit);
        assert_eq!(found.tsc_hz / 1_000_000, 3000);
        assert_eq!(found.other_hz / 1_000_000, 1000);
    }

    fn leaf(eax: u32, ebx: u32, ecx: u32) -> CpuidResult {
        CpuidResult {
            eax,
            ebx,
            ecx,
            edx: 0,
        }
    }

    #[test]
    fn cpuid_without_a_crystal_frequency_is_no_answer() {
        let cpu = |number| match number {
            0 => leaf(0x16, 0, 0),
            0x15 => leaf(2, 176, 0),
            _ => leaf(0, 0, 0),
        };
        assert_eq!(told_by_cpuid(&cpu), None);
        let with_crystal = |number| {
            if number == 0x15 {
                leaf(2, 176, 24_000_000)
            } else {
                cpu(number)
            }
        };
        assert_eq!(told_by_cpuid(&with_crystal), Some(2_112_000_000));
    }

    #[test]
    fn the_hypervisors_leaf_is_asked_only_under_one_that_has_it() {
        let cpu = |highest: u32, present: u32| {
            move |number| match number {
                1 => leaf(0, 0, present << 31),
                0x4000_0000 => leaf(highest, 0, 0),
                0x4000_0010 => leaf(2_500_000, 0, 0),
                _ => leaf(0, 0, 0),
            }
        };
        assert_eq!(told_by_cpuid(&cpu(0x4000_0010, 1)), Some(2_500_000_000));
        assert_eq!(told_by_cpuid(&cpu(0x4000_0001, 1)), None);
        assert_eq!(told_by_cpuid(&cpu(0x4000_0010, 0)), None);
    }
}
