//! The interrupt command register, write by write: for a transport from outside the kernel.
//!
//! Whatever is written, only an ordinary interrupt of a vector that has a handler is sent: all else is refused before it
//! reaches the register.

use super::Vector;
use super::registers::{self as reg, Path};
use core::arch::asm;
use core::fmt;

/// Bits 0 to 31 of a command that may be written: vector, level "assert" and shorthand. All else, that is delivery
/// mode, logical destination, trigger mode and what is reserved, must be 0 (figure 11-12).
const ALLOWED: u32 = 0xff | 1 << 14 | 0b11 << 18;

/// Why a write was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The register of the other mode was written.
    OtherMode,
    /// The vector is not the one that may be sent.
    Vector(u8),
    /// Bits that must be 0 are not.
    Bits(u32),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::OtherMode => f.write_str("the local APIC is in the other mode"),
            Refused::Vector(vector) => {
                write!(f, "vector {vector} is not the shootdown interrupt's")
            }
            Refused::Bits(bits) => write!(
                f,
                "bits {bits:#x} must be 0: physical destination, fixed, edge-triggered"
            ),
        }
    }
}

fn allowed(low: u32, vector: Vector) -> Result<(), Refused> {
    if low & 0xff != u32::from(vector.number()) {
        return Err(Refused::Vector(low as u8));
    }
    match low & !ALLOWED {
        0 => Ok(()),
        bits => Err(Refused::Bits(bits)),
    }
}

/// xAPIC mode: writes the destination.
///
/// # Errors
/// [`Refused::OtherMode`].
pub fn write_high(high: u32) -> Result<(), Refused> {
    let Path::Page(page) = reg::path() else {
        return Err(Refused::OtherMode);
    };
    page.register(reg::ICR_HIGH).write(high);
    Ok(())
}

/// xAPIC mode: writes the command, and so sends it.
///
/// # Errors
/// [`Refused`]; nothing is sent then.
pub fn write_low(low: u32, vector: Vector) -> Result<(), Refused> {
    let Path::Page(page) = reg::path() else {
        return Err(Refused::OtherMode);
    };
    allowed(low, vector)?;
    page.register(reg::ICR_LOW).write(low);
    Ok(())
}

/// xAPIC mode: reads the command, with the delivery status in bit 12.
///
/// # Errors
/// [`Refused::OtherMode`].
pub fn read_low() -> Result<u32, Refused> {
    match reg::path() {
        Path::Page(page) => Ok(page.register(reg::ICR_LOW).read()),
        Path::Msrs => Err(Refused::OtherMode),
    }
}

/// xAPIC mode: reads the destination.
///
/// # Errors
/// [`Refused::OtherMode`].
pub fn read_high() -> Result<u32, Refused> {
    match reg::path() {
        Path::Page(page) => Ok(page.register(reg::ICR_HIGH).read()),
        Path::Msrs => Err(Refused::OtherMode),
    }
}

/// x2APIC mode: writes the command, and so sends it. The LFENCE before it holds WRMSR back until an MFENCE before that
/// is done: the second half of the pair that the manual asks for (11.12.3). Alone it orders no stores.
///
/// # Errors
/// [`Refused`]; nothing is sent then.
pub fn write_wide(command: u64, vector: Vector) -> Result<(), Refused> {
    let Path::Msrs = reg::path() else {
        return Err(Refused::OtherMode);
    };
    allowed(command as u32, vector)?;
    // SAFETY: orders this CPU's instructions, nothing else.
    unsafe { asm!("lfence", options(nostack, preserves_flags)) };
    reg::write_wide(reg::ICR_LOW, command);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_no_ordinary_interrupt() {
        let vector = Vector::new(244);
        for low in [244, 1 << 14 | 244, 0b11 << 18 | 1 << 14 | 244] {
            assert_eq!(allowed(low, vector), Ok(()));
        }
        assert_eq!(allowed(0x4000 | 2, vector), Err(Refused::Vector(2)));
        // NMI, INIT, STARTUP, logical destination, level-triggered, reserved.
        for bits in [
            0b100 << 8,
            0b101 << 8,
            0b110 << 8,
            1 << 11,
            1 << 15,
            1 << 20,
        ] {
            assert_eq!(allowed(bits | 244, vector), Err(Refused::Bits(bits)));
        }
    }
}
