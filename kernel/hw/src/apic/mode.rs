//! Which of its two modes a local APIC is in, and the way from one to the other (11.12.5).

use super::registers as reg;
use core::arch::x86_64::__cpuid;
use core::fmt;
use x86_64::PhysAddr;
use x86_64::registers::model_specific::Msr;

/// How a local APIC is programmed and addressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// A page of memory-mapped registers; 8-bit ids; an IPI takes two writes.
    XApic,
    /// Model-specific registers; 32-bit ids; an IPI takes one write.
    X2Apic,
}

impl Mode {
    /// The name as the shell and the kernel command line spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::XApic => "xapic",
            Mode::X2Apic => "x2apic",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// IA32_APIC_BASE (11.4.4).
const APIC_BASE: u32 = 0x1b;
/// This CPU is the one that booted.
const BOOT_CPU: u64 = 1 << 8;
/// x2APIC mode, on top of [`ENABLED`].
const EXTENDED: u64 = 1 << 10;
/// The APIC is on.
const ENABLED: u64 = 1 << 11;
/// Where the register page lies, in xAPIC mode.
const PAGE: u64 = 0x000f_ffff_ffff_f000;

/// Whether this CPU has x2APIC mode (CPUID leaf 1, ECX bit 21).
pub fn x2apic_supported() -> bool {
    __cpuid(1).ecx & 1 << 21 != 0
}

/// Where this CPU's xAPIC register page lies: what the direct map must show uncached.
pub fn base() -> PhysAddr {
    PhysAddr::new(read_base() & PAGE)
}

/// This CPU's APIC id as CPUID tells it, before any [`enable`](super::enable): 32 bits where leaf
/// 0xB exists, else 8.
pub fn initial_id() -> u32 {
    let highest = __cpuid(0).eax;
    if highest >= 0xb {
        let topology = __cpuid(0xb);
        // EBX is zero where the leaf is not implemented, and EDX then means nothing.
        if topology.ebx != 0 {
            return topology.edx;
        }
    }
    __cpuid(1).ebx >> 24
}

/// Puts this CPU's APIC into `mode` and publishes how its registers are reached. Returns whether
/// this is the boot CPU.
///
/// # Panics
/// As [`enable`](super::enable).
pub(super) fn switch(mode: Mode) -> bool {
    assert!(
        mode == Mode::XApic || x2apic_supported(),
        "APIC {}: x2APIC mode asked for, but CPUID leaf 1 does not offer it",
        initial_id()
    );
    let before = read_base();
    // All CPUs share one register page address: the first one's.
    let page = reg::publish(mode, PhysAddr::new(before & PAGE));
    for flags in steps(before, mode) {
        write_base(page.as_u64() | before & BOOT_CPU | flags);
    }
    before & BOOT_CPU != 0
}

/// The values of the two mode bits to write, in turn, to come from `base` to `mode`.
///
/// x2APIC is entered only from xAPIC and left only to "off" (11.12.5, figure 11-27): every other
/// way is a general-protection fault.
fn steps(base: u64, mode: Mode) -> impl Iterator<Item = u64> {
    let through = match (base & ENABLED != 0, base & EXTENDED != 0, mode) {
        (true, true, Mode::XApic) => Some(0),
        (false, _, Mode::X2Apic) => Some(ENABLED),
        _ => None,
    };
    let last = match mode {
        Mode::XApic => ENABLED,
        Mode::X2Apic => ENABLED | EXTENDED,
    };
    through.into_iter().chain([last])
}

fn read_base() -> u64 {
    // SAFETY: IA32_APIC_BASE exists on every CPU with a local APIC, which all 64-bit CPUs have;
    // reading it has no effect.
    unsafe { Msr::new(APIC_BASE).read() }
}

fn write_base(value: u64) {
    // SAFETY: `value` comes from `switch`: an address that this MSR held on the first CPU, and mode
    // bits in an order that `steps` took from the manual. Moving this CPU's own register page to
    // where all the others have theirs takes no memory away: `reg` reaches it nowhere else.
    unsafe { Msr::new(APIC_BASE).write(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// What the CPU does with a write: 11.12.5.
    fn legal(from: u64, to: u64) -> bool {
        let state = |base: u64| (base & ENABLED != 0, base & EXTENDED != 0);
        !matches!(
            (state(from), state(to)),
            (_, (false, true)) | ((false, false), (true, true)) | ((true, true), (true, false))
        )
    }

    #[test]
    fn a_mode_switch_never_takes_a_forbidden_transition() {
        for start in [0, ENABLED, ENABLED | EXTENDED] {
            for mode in [Mode::XApic, Mode::X2Apic] {
                let mut state = start;
                for next in steps(start, mode) {
                    assert!(
                        legal(state, next),
                        "{start:#x} to {mode}: {state:#x} -> {next:#x}"
                    );
                    state = next;
                }
                let wanted = if mode == Mode::XApic {
                    ENABLED
                } else {
                    ENABLED | EXTENDED
                };
                assert_eq!(state, wanted, "{start:#x} to {mode}");
            }
        }
    }

    #[test]
    fn a_switch_that_changes_nothing_writes_once() {
        assert_eq!(steps(ENABLED, Mode::XApic).collect::<Vec<_>>(), [ENABLED]);
    }
}
