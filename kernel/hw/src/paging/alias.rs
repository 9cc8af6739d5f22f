//! One page of the kernel's half that shows any frame, writable, for the length of one write.

use super::table::{KERNEL_TABLE, leaf};
use super::{ADDRESS, KERNEL_ROOT, Rights};
use crate::phys::PAGE_SIZE;
use crate::tlb;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, Release},
};
use spin::Once;

/// Where: a top-level entry of its own.
const ALIAS: u64 = 0xffff_fe80_0000_0000;

/// The page's own entry. Zero but for the length of a write, so that what nobody may write has no
/// writable name.
static ENTRY: Once<&'static AtomicU64> = Once::new();

/// Makes the tables for it. Once, after the kernel's tables.
///
/// # Panics
/// If memory runs out.
pub(crate) fn init() {
    let root = *KERNEL_ROOT.lock();
    let entry = leaf(root, ALIAS, Some(KERNEL_TABLE)).expect("memory for the debugger's page");
    ENTRY.call_once(|| entry);
}

/// Writes `bytes` at physical address `physical`, whatever the page tables say about it. One caller
/// at a time, on a CPU whose thread stays there. Returns false before [`init`], and if the bytes are
/// in more than one page.
///
/// No other CPU uses the alias meanwhile, so that invalidating it here is enough.
///
/// # Safety
/// The bytes are RAM, and who owns them bears the change: Rust's rules for what lies there are the
/// caller's to keep, or to break on a person's order.
#[inline(always)]
pub(crate) unsafe fn write(physical: u64, bytes: &[u8]) -> bool {
    let offset = physical % PAGE_SIZE;
    let Some(entry) = ENTRY.get() else {
        return false;
    };
    if offset + bytes.len() as u64 > PAGE_SIZE {
        return false;
    }
    entry.store((physical & ADDRESS) | Rights::KERNEL_DATA.0.bits(), Release);
    tlb::invalidate_page(ALIAS);
    let mut place = (ALIAS + offset) as *mut u8;
    for &byte in bytes {
        // SAFETY: inside the alias, which maps the caller's RAM, writable. Volatile: the CPUs that
        // read it are no part of this program's memory model.
        unsafe {
            place.write_volatile(byte);
            place = place.add(1);
        }
    }
    entry.store(0, Relaxed);
    tlb::invalidate_page(ALIAS);
    true
}
