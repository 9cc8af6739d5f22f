//! Kernel stacks with a guard page below each.

use crate::frames::Frame;
use crate::paging::{self, Rights};
use crate::phys::PAGE_SIZE;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use x86_64::VirtAddr;

/// Where stacks live: a top-level entry of their own.
const REGION: u64 = 0xffff_ff00_0000_0000;

/// The next stack's guard page. Stacks are kept for reuse by their owners, never unmapped, so a
/// stack's translations are never stale.
static NEXT: AtomicU64 = AtomicU64::new(REGION);

/// A stack that one CPU or thread owns, above a page that is never mapped.
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
            paging::map_kernel(VirtAddr::new(bottom + page * PAGE_SIZE), Frame::zeroed()?, Rights::KERNEL_DATA)?;
        }
        Some(KernelStack { bottom, top: bottom + pages * PAGE_SIZE })
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
