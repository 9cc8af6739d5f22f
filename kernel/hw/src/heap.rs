//! The kernel's heap: a fixed stretch of RAM under a well-kept allocator.

use crate::phys;
use crate::sync::IrqLock;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use linked_list_allocator::Heap;

/// The heap's size in bytes.
pub const SIZE: u64 = 8 << 20;

struct Global(IrqLock<Heap>);

#[cfg(target_os = "none")]
#[global_allocator]
static HEAP: Global = Global(IrqLock::new(Heap::empty()));
#[cfg(not(target_os = "none"))]
static HEAP: Global = Global(IrqLock::new(Heap::empty()));

// SAFETY: the allocator behind the lock gives out distinct pieces of its own memory; the lock is
// held with interrupts off, so neither another CPU nor a handler interferes.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0
            .lock()
            .allocate_first_fit(layout)
            .map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller passes what `alloc` returned, which is not null, with its layout.
        unsafe {
            self.0
                .lock()
                .deallocate(NonNull::new_unchecked(pointer), layout)
        }
    }
}

/// Gives the heap its memory. Once, after `frames::init`.
///
/// # Panics
/// If there is not that much memory in one piece.
pub fn init() {
    let start = crate::frames::take_stretch(SIZE / phys::PAGE_SIZE)
        .expect("memory for the heap: start the machine with at least 32 MiB");
    // SAFETY: the stretch is RAM in the direct map that nobody else will ever be given.
    unsafe {
        HEAP.0
            .lock()
            .init(phys::map(start).as_mut_ptr(), SIZE as usize)
    };
}

/// The heap's bytes in use and in all.
pub fn usage() -> (usize, usize) {
    let heap = HEAP.0.lock();
    (heap.used(), heap.size())
}
