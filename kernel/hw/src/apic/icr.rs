//! The interrupt command register's value (11.6.1): what an inter-processor interrupt says.

use super::{Mode, Vector};
use core::fmt;

/// Who gets the interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// The CPU with this hardware APIC id.
    Cpu(u32),
    /// The sender. Fixed interrupts only.
    Myself,
    /// Every CPU, the sender too. Fixed interrupts only.
    All,
    /// Every CPU but the sender. CPUs that wait for a STARTUP ignore all but INIT and STARTUP.
    Others,
}

/// What an inter-processor interrupt does when it arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Delivery {
    Fixed(Vector),
    Nmi,
    Init,
    Startup { page: u8 },
}

/// A command for the interrupt command register: holding one proves that it may be sent, so that
/// whatever it starts on another CPU is a handler, or code that an `unsafe` constructor's caller
/// answered for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "an interrupt is sent by `send`"]
pub struct Icr {
    destination: Destination,
    delivery: Delivery,
}

/// The APIC id cannot be addressed in this mode: xAPIC ids have 8 bits of which 255 is the
/// broadcast, x2APIC ids 32 of which the highest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreachable {
    /// The id asked for.
    pub id: u32,
    /// The mode that cannot name it.
    pub mode: Mode,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "APIC id {} cannot be addressed in {} mode",
            self.id, self.mode
        )
    }
}

/// Level "assert": always set but in the obsolete INIT de-assert.
const ASSERT: u32 = 1 << 14;

impl Icr {
    /// An ordinary interrupt: runs the handler of `vector`. Several of one vector that are pending
    /// at one CPU become one.
    #[inline(always)]
    pub const fn fixed(destination: Destination, vector: Vector) -> Self {
        Icr {
            destination,
            delivery: Delivery::Fixed(vector),
        }
    }

    /// A non-maskable interrupt.
    ///
    /// # Panics
    /// If `destination` is [`Myself`](Destination::Myself) or [`All`](Destination::All): those
    /// shorthands carry fixed interrupts only (table 11-3).
    pub const fn nmi(destination: Destination) -> Self {
        assert_no_self(destination);
        Icr {
            destination,
            delivery: Delivery::Nmi,
        }
    }

    /// Resets the destination to wait for a STARTUP.
    ///
    /// # Panics
    /// As [`nmi`](Icr::nmi).
    ///
    /// # Safety
    /// No CPU of the destination runs code that anything still relies on: it loses its registers,
    /// the locks it holds stay held, and the boot CPU restarts the firmware.
    pub const unsafe fn init(destination: Destination) -> Self {
        assert_no_self(destination);
        Icr {
            destination,
            delivery: Delivery::Init,
        }
    }

    /// Starts the destination in real mode at physical address `page * 4096`, if it waits for that.
    ///
    /// # Panics
    /// As [`nmi`](Icr::nmi).
    ///
    /// # Safety
    /// Code stands there that any CPU of the destination may run in real mode, at once.
    pub const unsafe fn startup(destination: Destination, page: u8) -> Self {
        assert_no_self(destination);
        Icr {
            destination,
            delivery: Delivery::Startup { page },
        }
    }

    /// The low half, alike in both modes: edge-triggered, physical destination.
    #[inline(always)]
    const fn low(self) -> u32 {
        let shorthand = match self.destination {
            Destination::Cpu(_) => 0b00,
            Destination::Myself => 0b01,
            Destination::All => 0b10,
            Destination::Others => 0b11,
        };
        let (mode, vector) = match self.delivery {
            Delivery::Fixed(vector) => (0b000, vector.number()),
            Delivery::Nmi => (0b100, 0),
            Delivery::Init => (0b101, 0),
            Delivery::Startup { page } => (0b110, page),
        };
        shorthand << 18 | ASSERT | mode << 8 | vector as u32
    }

    /// The two words of xAPIC mode, high then low.
    ///
    /// # Errors
    /// [`Unreachable`] for an id above 254.
    #[inline(always)]
    pub(super) const fn xapic(self) -> Result<(u32, u32), Unreachable> {
        match self.destination {
            Destination::Cpu(id) if id > 254 => Err(Unreachable {
                id,
                mode: Mode::XApic,
            }),
            Destination::Cpu(id) => Ok((id << 24, self.low())),
            _ => Ok((0, self.low())),
        }
    }

    /// The one word of x2APIC mode.
    ///
    /// # Errors
    /// [`Unreachable`] for the id that means everybody.
    #[inline(always)]
    pub(super) const fn x2apic(self) -> Result<u64, Unreachable> {
        match self.destination {
            Destination::Cpu(u32::MAX) => Err(Unreachable {
                id: u32::MAX,
                mode: Mode::X2Apic,
            }),
            Destination::Cpu(id) => Ok((id as u64) << 32 | self.low() as u64),
            _ => Ok(self.low() as u64),
        }
    }
}

const fn assert_no_self(destination: Destination) {
    assert!(
        matches!(destination, Destination::Cpu(_) | Destination::Others),
        "the self and all shorthands carry fixed interrupts only"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: Vector = Vector::new(0xf4);

    #[test]
    fn a_fixed_interrupt_names_vector_and_destination_in_both_modes() {
        let icr = Icr::fixed(Destination::Cpu(3), VECTOR);
        assert_eq!(icr.xapic(), Ok((0x0300_0000, 0x0000_40f4)));
        assert_eq!(icr.x2apic(), Ok(0x0000_0003_0000_40f4));
    }

    #[test]
    fn a_shorthand_is_not_mistaken_for_another() {
        let low = |destination| Icr::fixed(destination, VECTOR).xapic().unwrap();
        assert_eq!(low(Destination::Myself), (0, 0x0004_40f4));
        assert_eq!(low(Destination::All), (0, 0x0008_40f4));
        assert_eq!(low(Destination::Others), (0, 0x000c_40f4));
        assert_eq!(
            Icr::fixed(Destination::Others, VECTOR).x2apic(),
            Ok(0x000c_40f4)
        );
    }

    #[test]
    fn start_up_commands_are_the_manuals() {
        // SAFETY: values only; nothing is sent.
        let (init, startup) = unsafe {
            (
                Icr::init(Destination::Others),
                Icr::startup(Destination::Others, 8),
            )
        };
        // The two constants of the start-up sequence in 9.4.4.1.
        assert_eq!(init.xapic().unwrap().1, 0x000c_4500);
        assert_eq!(startup.xapic().unwrap().1, 0x000c_4608);
        assert_eq!(
            Icr::nmi(Destination::Cpu(1)).xapic(),
            Ok((0x0100_0000, 0x4400))
        );
    }

    #[test]
    fn an_id_too_wide_for_the_mode_is_refused_not_truncated() {
        let to = |id| Icr::fixed(Destination::Cpu(id), VECTOR);
        assert!(to(254).xapic().is_ok());
        // 255 would be a broadcast, 256 would reach CPU 0.
        for id in [255, 256, u32::MAX] {
            assert_eq!(
                to(id).xapic(),
                Err(Unreachable {
                    id,
                    mode: Mode::XApic
                })
            );
        }
        assert_eq!(to(256).x2apic(), Ok(0x0000_0100_0000_40f4));
        assert!(to(u32::MAX).x2apic().is_err());
    }

    #[test]
    #[should_panic(expected = "fixed interrupts only")]
    fn an_nmi_to_oneself_is_refused() {
        let _ = Icr::nmi(Destination::All);
    }
}
