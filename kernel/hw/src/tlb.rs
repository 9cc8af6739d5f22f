//! The instructions that invalidate translations on this CPU, and the ones that show what it holds.

use crate::percpu::{Counter, count};
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use shootdown::{Invpcid, Mode, Pcid};
use x86_64::registers::control::{Cr3, Cr4, Cr4Flags};

/// The mode of address translation, a [`Mode`]'s number.
static MODE: AtomicU8 = AtomicU8::new(Mode::Plain as u8);
/// Whether ring 3 runs on tables of its own, without the kernel.
static ISOLATED: AtomicBool = AtomicBool::new(false);

/// Chooses how the machine translates addresses, and whether ring 3 has tables of its own. Once, before
/// `paging::init`.
///
/// # Panics
/// If this CPU cannot do it, or the mode has user PCIDs and there are no user tables.
pub fn choose(mode: Mode, isolated: bool) {
    let cpu = crate::cpuid::features();
    let wanted = mode.features();
    assert!(
        (cpu.pcid || !wanted.pcid) && (cpu.invpcid || !wanted.invpcid),
        "mode {mode} needs what this CPU does not have"
    );
    assert!(
        !mode.has_pcid() || mode.has_user_pcid() == isolated,
        "mode {mode} and page-table isolation ({isolated}) do not go together"
    );
    MODE.store(mode as u8, Relaxed);
    ISOLATED.store(isolated, Relaxed);
}

/// The mode of address translation.
#[inline(always)]
pub fn mode() -> Mode {
    // SAFETY: only `choose` writes it, from a `Mode`, which is a `u8`.
    unsafe { core::mem::transmute::<u8, Mode>(MODE.load(Relaxed)) }
}

/// Whether ring 3 runs on tables of its own, without the kernel.
#[inline(always)]
pub fn isolated() -> bool {
    ISOLATED.load(Relaxed)
}

/// Turns on PCIDs on this CPU if the mode has them. CR3 holds PCID 0, as it must (SDM vol. 3A, 4.10.1).
pub(crate) fn enable_pcids() {
    if mode().has_pcid() {
        // SAFETY: the mode was checked against the CPU's features; what CR3 leads to stays the same.
        unsafe { Cr4::update(|cr4| cr4.insert(Cr4Flags::PCID)) };
    }
}

/// CR3's value for the tables at `root`. With PCIDs it names `pcid`, and bit 63 says whether what that PCID tags is
/// kept (SDM vol. 3A, 4.10.4.1); without, neither means anything.
pub(crate) fn cr3(root: u64, pcid: Pcid, keep: bool) -> u64 {
    if !mode().has_pcid() {
        return root;
    }
    assert!(pcid.0 < 0x1000, "{pcid:?} has more than 12 bits");
    root | u64::from(pcid.0) | if keep { KEEP } else { 0 }
}

/// CR3's bit 63 in a write: translations of the PCID are kept. Reads as 0.
pub(crate) const KEEP: u64 = 1 << 63;

/// INVPCID (SDM vol. 2A).
///
/// # Panics
/// If the mode has none, the PCID has more than 12 bits, or the address is not canonical.
pub fn invpcid(what: Invpcid) {
    assert!(
        mode().features().invpcid,
        "INVPCID was asked for in mode {}",
        mode()
    );
    let (kind, counter, pcid, address): (u64, _, Pcid, u64) = match what {
        Invpcid::Address(pcid, address) => (0, Counter::Invpcid0, pcid, address),
        Invpcid::Context(pcid) => (1, Counter::Invpcid1, pcid, 0),
        Invpcid::AllWithGlobal => (2, Counter::Invpcid2, Pcid::KERNEL, 0),
        Invpcid::AllButGlobal => (3, Counter::Invpcid3, Pcid::KERNEL, 0),
    };
    assert!(
        pcid.0 < 0x1000 && crate::debug::memory::is_canonical(address),
        "{what:?} is no operand of INVPCID"
    );
    let descriptor = [u64::from(pcid.0), address];
    // SAFETY: the CPU has the instruction, its operands are legal, and it only forgets.
    unsafe {
        asm!("invpcid {}, [{}]", in(reg) kind, in(reg) &raw const descriptor,
            options(nostack, preserves_flags, readonly));
    }
    count(counter, 1);
}

/// Without INVPCID: forgets the page at `address` in the current space's user PCID, by an INVLPG on its user tables.
/// Nothing where there are none.
pub fn invalidate_user_page(address: u64) {
    let _off = crate::interrupts::Off::new();
    let (kernel, user) = crate::percpu::roots();
    if isolated() && user != 0 {
        // SAFETY: both are what this CPU's way in and out loads; the code is on both tables, and uses no stack between.
        unsafe { crate::entry::invlpg_on(user, kernel, address) };
    }
}

/// Forgets at once what the current space's user PCID tags. With interrupts off.
pub(crate) fn flush_user_pcid() {
    let (kernel, user) = crate::percpu::roots();
    if mode().features().invpcid {
        invpcid(Invpcid::Context(Pcid((user & 0xfff) as u16)));
    } else {
        // SAFETY: as in `invalidate_user_page`; without bit 63 the load itself flushes.
        unsafe { crate::entry::invlpg_on(user & !KEEP, kernel, 0) };
    }
}

/// Under page-table isolation, with PCIDs: the next way out to ring 3 on this CPU loads the user tables without CR3's
/// bit 63, and so flushes their PCID (FreeBSD's `ucr3_load_mask`).
pub fn defer_user_flush() {
    crate::percpu::set_user_mask(!KEEP);
}

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

/// Invalidates every translation of this CPU that is not global, of the current PCID if there are PCIDs, by writing
/// CR3 what it holds.
#[inline(always)]
pub fn reload_cr3() {
    // SAFETY: the value is the one in force; only cached translations change.
    unsafe {
        asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack, preserves_flags));
    }
}

/// Invalidates every translation of this CPU, global ones too, by turning CR4.PGE off and on
/// (SDM vol. 3A, 4.10.4.1), which spares no PCID. Where global pages are off a CR3 write does it; a CPU with PCIDs has
/// them.
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
