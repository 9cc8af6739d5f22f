//! Tables, and the way through them.

use super::ADDRESS;
use crate::frames::Frame;
use crate::phys;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use x86_64::PhysAddr;
use x86_64::structures::paging::PageTableFlags as Flags;

/// 512 entries.
pub(super) type Table = [AtomicU64; 512];

/// The table at physical `address`.
pub(super) fn table(address: u64) -> &'static Table {
    // SAFETY: only called for frames that a live page-table entry or root names as a table:
    // whole, aligned, in the direct map, and only ever reached as atomics.
    unsafe { &*phys::map(PhysAddr::new(address)).as_ptr() }
}

/// The bits of an entry that hold an address.
pub(crate) const ADDRESS_BITS: u64 = ADDRESS;

/// Entry `position` of the table at physical `address`, which is RAM.
pub(crate) fn entry(address: u64, position: usize) -> &'static AtomicU64 {
    &table(address)[position]
}

pub(crate) fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * level)) as usize & 511
}

/// The table one level down from `entry`, made if it is absent and `make` says with what flags.
pub(super) fn next_table(entry: &AtomicU64, make: Option<Flags>) -> Option<&'static Table> {
    let bits = entry.load(Acquire);
    if bits & Flags::PRESENT.bits() != 0 {
        assert!(
            bits & Flags::HUGE_PAGE.bits() == 0,
            "a 4 KiB page was asked for inside a large one"
        );
        return Some(table(bits & ADDRESS));
    }
    let address = Frame::zeroed()?.into_entry();
    entry.store(address.as_u64() | make?.bits(), Release);
    Some(table(address.as_u64()))
}

/// The last-level entry for `address` under the top-level table at `root`.
pub(super) fn leaf(root: u64, address: u64, make: Option<Flags>) -> Option<&'static AtomicU64> {
    let mut current = table(root);
    for level in [3, 2, 1] {
        let entry = &current[index(address, level)];
        if make.is_none() && entry.load(Acquire) & Flags::PRESENT.bits() == 0 {
            return None;
        }
        current = next_table(entry, make)?;
    }
    Some(&current[index(address, 0)])
}

/// What an entry that leads to a table of the kernel's half allows.
pub(super) const KERNEL_TABLE: Flags = Flags::PRESENT.union(Flags::WRITABLE);
/// The same for the user half.
pub(super) const USER_TABLE: Flags = KERNEL_TABLE.union(Flags::USER_ACCESSIBLE);
