//! Kernel stacks with a guard page below each.

use crate::frames::Frame;
use crate::paging::{self, Rights};
use crate::phys::PAGE_SIZE;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use x86_64::VirtAddr;

/// Where stacks live: a top-level entry of their own.
pub(crate) const REGION: u64 = 0xffff_ff00_0000_0000;

/// The next stack's guard page. Stacks are kept for reuse by their owners, never unmapped, so a
/// stack's translations are never stale.
static NEXT: AtomicU64 = AtomicU64::new(REGION);

/// How many stacks were made.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A stack that one CPU or thread owns, above a page that is never mapped. It stays mapped for
/// good, also when the value is dropped.
#[derive(Debug)]
pub struct KernelStack {
    bottom: u64,
    top: u64,
}

impl KernelStack {
    /// A stack of `pages` pages, or `None` when memory is used up.
    pub fn new(pages: u64) -> Option<KernelStack> {
        let guard = NEXT.fetch_add((pages + 1) * PAGE_SIZE, Relaxed);
        let bottom = guard + PAGE_SIZE;
        for page in 0..pages {
            paging::map_kernel(
                VirtAddr::new(bottom + page * PAGE_SIZE),
                Frame::zeroed()?,
                Rights::KERNEL_DATA,
            )?;
        }
        COUNT.fetch_add(1, Relaxed);
        Some(KernelStack {
            bottom,
            top: bottom + pages * PAGE_SIZE,
        })
    }

    /// One past the highest byte: where the stack pointer starts.
    pub fn top(&self) -> u64 {
        self.top
    }

    /// The lowest byte.
    pub fn bottom(&self) -> u64 {
        self.bottom
    }
}

/// Whether `address` lies in the stacks' region, so that a fault there on a page that is not
/// mapped is a stack that ran over.
pub fn is_guard(address: u64) -> bool {
    (REGION..NEXT.load(Relaxed)).contains(&address)
}

/// How many guarded stacks there are.
pub fn count() -> u64 {
    COUNT.load(Relaxed)
}

/// The stacks as the page tables show them: each stretch of mapped pages in the stacks' region,
/// lowest first, and the pages of that region that are not mapped. Every stack has one stretch and
/// one such page, its guard, below.
pub fn stretches() -> (Vec<Range<u64>>, u64) {
    let end = NEXT.load(Relaxed);
    let mut stretches: Vec<Range<u64>> = Vec::new();
    let mut mapped = 0;
    paging::kernel_mappings(REGION..=end - 1, |mapping| {
        mapped += 1;
        match stretches.last_mut() {
            Some(last) if last.end == mapping.address => last.end += mapping.bytes,
            _ => stretches.push(mapping.address..mapping.address + mapping.bytes),
        }
    });
    (stretches, (end - REGION) / PAGE_SIZE - mapped)
}

/// The frames that all stacks take up, page tables included. They grow as more threads run at a
/// time than ever before, and are kept.
pub fn frames() -> u64 {
    let mut frames = 0;
    let mut last = 0;
    paging::kernel_mappings(REGION..=NEXT.load(Relaxed), |mapping| {
        // A page, and where they are the first of theirs, its tables of 2 MiB and of 1 GiB.
        let new_table = |shift| mapping.address >> shift != last >> shift;
        frames += 1 + u64::from(new_table(21)) + u64::from(new_table(30));
        last = mapping.address;
    });
    frames
}

/// A stack without a guard page, for the first CPU's exceptions before there is memory.
#[repr(C, align(16))]
pub(crate) struct EarlyStack(UnsafeCell<[u8; 8192]>);

// SAFETY: only the hardware of the first CPU uses it, as a stack.
unsafe impl Sync for EarlyStack {}

impl EarlyStack {
    pub(crate) const fn new() -> Self {
        EarlyStack(UnsafeCell::new([0; 8192]))
    }

    pub(crate) fn top(&self) -> VirtAddr {
        VirtAddr::from_ptr(self.0.get()) + 8192u64
    }
}
