//! Page-table isolation: the top-level tables that ring 3 runs on, and what of the kernel they still show.
//!
//! That is what the way in and out needs before it has loaded the other table: the entry code, the per-CPU areas with
//! their entry stacks, the descriptor tables, and the stacks of the interrupts that have their own. FreeBSD's
//! `pmap_pti_init` and `pmap_pti_add_kva` show the same.

use super::table::{KERNEL_TABLE, index, leaf, next_table, table};
use super::{KERNEL_BASE, KERNEL_ROOT};
use crate::frames::Frame;
use crate::phys::PAGE_SIZE;
use crate::stack;
use crate::sync::IrqLock;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A top-level table with just that in its upper half, which every other one copies; 0 without isolation.
static ISLAND: IrqLock<u64> = IrqLock::new(0);

/// Builds it if ring 3 is to have tables of its own. Once, after the kernel's tables.
///
/// # Panics
/// If memory runs out.
pub(crate) fn init() {
    if !crate::tlb::isolated() {
        return;
    }
    let island = Frame::zeroed()
        .expect("memory for ring 3's tables")
        .into_entry()
        .as_u64();
    // Both exist from the start, so that copies of the table see what is shown later.
    for address in [KERNEL_BASE, stack::REGION] {
        next_table(&table(island)[index(address, 3)], Some(KERNEL_TABLE))
            .expect("memory for ring 3's tables");
    }
    *ISLAND.lock() = island;
    for range in crate::entry::shown() {
        show(range);
    }
}

/// Has ring 3's tables show the kernel's pages of `range` as the kernel's own do, to ring 0 only. Nothing without
/// isolation.
///
/// # Panics
/// If memory runs out, or one of the pages is not mapped.
pub(crate) fn show(range: Range<u64>) {
    let island = ISLAND.lock();
    if *island == 0 {
        return;
    }
    let kernel = *KERNEL_ROOT.lock();
    for address in range.step_by(PAGE_SIZE as usize) {
        let from = leaf(kernel, address, None).expect("a page of the kernel's");
        let to = leaf(*island, address, Some(KERNEL_TABLE)).expect("memory for ring 3's tables");
        to.store(from.load(Acquire), Release);
    }
}

/// A new top-level table for ring 3, without anything of its own; `None` without isolation, `Some(None)` when memory is
/// used up.
pub(super) fn root() -> Option<Option<u64>> {
    let island = ISLAND.lock();
    if *island == 0 {
        return None;
    }
    let Some(frame) = Frame::zeroed() else {
        return Some(None);
    };
    let root = frame.into_entry().as_u64();
    for (new, old) in table(root)[256..].iter().zip(&table(*island)[256..]) {
        new.store(old.load(Relaxed), Relaxed);
    }
    Some(Some(root))
}
