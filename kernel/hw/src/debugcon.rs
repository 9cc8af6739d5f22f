//! The emulator's debug console, a port that takes bytes: the channel on which evidence leaves.
//!
//! QEMU has it as `isa-debugcon`, and Bochs at the same port. Nothing else writes to it.

use core::arch::asm;
use x86_64::instructions::port::PortReadOnly;

const PORT: u16 = 0xe9;
/// What the port reads if the device is there. An empty port reads 0xff.
const THERE: u8 = 0xe9;

/// Whether the device is there.
pub fn present() -> bool {
    // SAFETY: reading has no effect, whether or not the device is there.
    unsafe { PortReadOnly::<u8>::new(PORT).read() == THERE }
}

/// Writes `bytes`, in any context, without a lock; they are lost if the device is not there.
pub fn write(bytes: &[u8]) {
    // SAFETY: reads just the slice's bytes; the port belongs to the device, or to nothing. The
    // direction flag is clear, as everywhere in Rust.
    unsafe {
        asm!("rep outsb", in("dx") PORT, inout("rcx") bytes.len() => _,
            inout("rsi") bytes.as_ptr() => _, options(nostack, readonly, preserves_flags));
    }
}
