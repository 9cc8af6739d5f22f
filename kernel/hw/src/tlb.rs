//! The instructions that invalidate translations on this CPU, and the ones that show what it holds.

use core::arch::asm;
use x86_64::registers::control::{Cr3, Cr4, Cr4Flags};

/// Has this CPU keep global translations, the kernel's, across a CR3 write, if it can (CR4.PGE).
pub(crate) fn enable_global() {
    if crate::cpuid::features().global {
        // SAFETY: no mapping's rights depend on it.
        unsafe { Cr4::update(|cr4| cr4.insert(Cr4Flags::PAGE_GLOBAL)) };
    }
}

/// Invalidates this CPU's translation of the page at `address`, global ones too (INVLPG, SDM
/// vol. 3A, 4.10.4.1).
#[inline(always)]
pub fn invalidate_page(address: u64) {
    // SAFETY: INVLPG takes any address (a non-canonical one is a no-op) and only forgets.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// Invalidates every translation of this CPU that is not global, by writing CR3 what it holds.
#[inline(always)]
pub fn reload_cr3() {
    // SAFETY: the value is the one in force; only cached translations change.
    unsafe {
        asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack, preserves_flags));
    }
}

/// Invalidates every translation of this CPU, global ones too, by turning CR4.PGE off and on
/// (SDM vol. 3A, 4.10.4.1). Where global pages are off a CR3 write does it.
pub fn flush_global() {
    let _off = crate::interrupts::Off::new();
    let cr4 = Cr4::read();
    if !cr4.contains(Cr4Flags::PAGE_GLOBAL) {
        reload_cr3();
        return;
    }
    // SAFETY: the flag is put back at once; no mapping's rights depend on it.
    unsafe {
        Cr4::write(cr4 - Cr4Flags::PAGE_GLOBAL);
        Cr4::write(cr4);
    }
}

/// Writes back and invalidates this CPU's caches (WBINVD).
pub fn write_back_caches() {
    // SAFETY: privileged, and without effect on what memory holds.
    unsafe { asm!("wbinvd", options(nostack, preserves_flags)) };
}

/// The address in CR3: the top-level table in force here.
pub fn root() -> u64 {
    Cr3::read().0.start_address().as_u64()
}

/// A full memory fence (MFENCE): the store-to-load barrier.
#[inline(always)]
pub fn fence() {
    // SAFETY: orders memory accesses, nothing else.
    unsafe { asm!("mfence", options(nostack, preserves_flags)) };
}

/// The page whose translation a faulting access missed, from CR2.
pub fn fault_address() -> u64 {
    x86_64::registers::control::Cr2::read_raw()
}
