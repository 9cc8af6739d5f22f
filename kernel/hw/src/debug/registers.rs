//! The debug registers (SDM vol. 3B, 18.2), and the flags that matter to a debugger.

use core::arch::asm;
use x86_64::registers::debug::{DebugAddressRegister, Dr0, Dr1, Dr2, Dr3, Dr7};

/// In RFLAGS: a debug exception follows the next instruction.
pub const TRAP: u64 = 1 << 8;
/// In RFLAGS: string instructions go downwards.
pub const DIRECTION: u64 = 1 << 10;
/// In RFLAGS: the next instruction is executed although a breakpoint register names it.
pub const RESUME: u64 = 1 << 16;

/// Bits of DR7 that enable something.
const ENABLES: u64 = 0xff;

/// Turns this CPU's debug registers off.
#[inline(always)]
pub(super) fn disarm() {
    // A write costs an emulator much, a read little.
    if Dr7::read_raw() & ENABLES != 0 {
        Dr7::write_raw(0);
    }
}

/// Has this CPU watch `addresses` as `control` says.
pub(super) fn arm(addresses: [u64; 4], control: u64) {
    Dr0::write(addresses[0]);
    Dr1::write(addresses[1]);
    Dr2::write(addresses[2]);
    Dr3::write(addresses[3]);
    Dr7::write_raw(control);
}

/// Writes DR6.
pub(super) fn clear_status(value: u64) {
    // SAFETY: the register only tells what a debug exception was for.
    unsafe { asm!("mov dr6, {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
}
