//! Frames: 4 KiB pieces of RAM, each owned by one value or free.
//!
//! A freed frame is filled with [`POISON`], so that whoever still reads it through a dead
//! translation sees that it is dead.

use crate::boot::{BootInfo, MAX_REGIONS, Region};
use crate::phys::{self, PAGE_SIZE};
use crate::sync::IrqLock;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use x86_64::PhysAddr;

/// What every word of a free frame holds.
pub const POISON: u64 = 0xdead_f4ee_dead_f4ee;

/// The words of a frame.
const WORDS: usize = PAGE_SIZE as usize / 8;

/// The word of a freed frame that leads to the next one; the last, so that a tag or a value at the
/// start is seen to be gone.
const LINK: usize = WORDS - 1;

/// No usable memory below this is given out: firmware's tables, the trampoline, the kernel's
/// entry code and bring-up tables.
const LOWEST: u64 = 2 << 20;

/// Ownership of one frame.
///
/// Holding one proves that no page table maps the frame, unless the holder mapped it, and that
/// nobody else will be given it. Dropping it poisons and frees it: a frame that was mapped may be
/// dropped only by who has the proof that every translation of it is dead.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame(PhysAddr);

/// Free memory: never-used stretches, and a list threaded through freed frames.
struct Pool {
    stretches: [(u64, u64); MAX_REGIONS],
    freed: Option<PhysAddr>,
    free: u64,
}

static POOL: IrqLock<Pool> = IrqLock::new(Pool {
    stretches: [(0, 0); MAX_REGIONS],
    freed: None,
    free: 0,
});
static TOTAL: AtomicU64 = AtomicU64::new(0);

/// How much memory there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Frames that were ever there to be given out.
    pub total: u64,
    /// Frames that are free now.
    pub free: u64,
}

/// Takes over the RAM that `boot` lists, but for the kernel, its module and the loader's words. Once.
pub fn init(boot: &BootInfo) {
    let taken = [
        (0, LOWEST),
        crate::paging::image_range(),
        whole_pages(boot.kept[0]),
        whole_pages(boot.kept[1]),
        (phys::LIMIT, u64::MAX),
    ];
    let mut pool = POOL.lock();
    let mut used = 0;
    for region in boot.regions().iter().filter(|region| region.usable) {
        let mut rest = [(0, 0); 16];
        rest[0] = (region.start, region.end);
        let mut count = 1;
        for hole in taken {
            count = subtract(&mut rest, count, hole);
        }
        for &(start, end) in &rest[..count] {
            let (start, end) = (start.next_multiple_of(PAGE_SIZE), end & !(PAGE_SIZE - 1));
            if start < end && used < pool.stretches.len() {
                pool.stretches[used] = (start, end);
                pool.free += (end - start) / PAGE_SIZE;
                used += 1;
            }
        }
    }
    TOTAL.store(pool.free, Relaxed);
}

/// From the start of its first page on.
fn whole_pages(region: Region) -> (u64, u64) {
    (region.start & !(PAGE_SIZE - 1), region.end)
}

/// Takes `hole` out of the first `count` ranges; returns how many there are then. Ranges that do
/// not fit are given up: memory is lost, never handed out wrongly.
fn subtract(ranges: &mut [(u64, u64); 16], count: usize, hole: (u64, u64)) -> usize {
    let mut result = [(0, 0); 16];
    let mut used = 0;
    for &(start, end) in &ranges[..count] {
        for piece in [(start, end.min(hole.0)), (start.max(hole.1), end)] {
            if piece.0 < piece.1 && used < result.len() {
                result[used] = piece;
                used += 1;
            }
        }
    }
    *ranges = result;
    used
}

/// How much memory there is, and how much of it is free.
pub fn usage() -> Usage {
    Usage {
        total: TOTAL.load(Relaxed),
        free: POOL.lock().free,
    }
}

/// The words of the frame at `address`, to be reached as atomics.
fn words(address: PhysAddr) -> &'static [AtomicU64; WORDS] {
    // SAFETY: only called for whole frames of RAM that this module manages: mapped by the direct
    // map for good, aligned, any bits valid; every access to them is an atomic or user code's.
    unsafe { &*phys::map(address).as_ptr() }
}

impl Frame {
    /// A frame with every byte 0, or `None` when memory is used up.
    pub fn zeroed() -> Option<Frame> {
        Frame::filled(0)
    }

    /// A frame with every word `value`, or `None` when memory is used up.
    pub fn filled(value: u64) -> Option<Frame> {
        let frame = Frame(take()?);
        frame.fill(value);
        Some(frame)
    }

    /// Its physical address.
    pub fn address(&self) -> PhysAddr {
        self.0
    }

    /// Sets every word to `value`.
    pub fn fill(&self, value: u64) {
        for word in words(self.0) {
            word.store(value, Relaxed);
        }
    }

    /// The frame's 512 words.
    pub fn words(&self) -> &[AtomicU64] {
        words(self.0)
    }

    /// Gives the ownership up for an address, to be taken back by [`Frame::from_entry`].
    pub(crate) fn into_entry(self) -> PhysAddr {
        let address = self.0;
        core::mem::forget(self);
        address
    }

    /// Takes back what [`into_entry`](Frame::into_entry) gave up.
    ///
    /// The caller has just taken the one page-table entry that stood for the ownership.
    pub(crate) fn from_entry(address: PhysAddr) -> Frame {
        Frame(address)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.fill(POISON);
        give(self.0);
    }
}

/// Takes a free frame, freed ones first: reuse is what makes a stale translation dangerous.
fn take() -> Option<PhysAddr> {
    let mut pool = POOL.lock();
    if let Some(first) = pool.freed {
        let next = words(first)[LINK].load(Relaxed);
        pool.freed = (next != POISON).then(|| PhysAddr::new(next));
        pool.free -= 1;
        return Some(first);
    }
    let (start, _) = pool.stretches.iter_mut().find(|(start, end)| start < end)?;
    let address = PhysAddr::new(*start);
    *start += PAGE_SIZE;
    pool.free -= 1;
    Some(address)
}

/// Puts a poisoned frame in front of the list. The last frame's link is the poison itself.
fn give(address: PhysAddr) {
    let mut pool = POOL.lock();
    if let Some(next) = pool.freed {
        words(address)[LINK].store(next.as_u64(), Relaxed);
    }
    pool.freed = Some(address);
    pool.free += 1;
}

/// `count` frames side by side, for good: the heap's.
pub(crate) fn take_stretch(count: u64) -> Option<PhysAddr> {
    let mut pool = POOL.lock();
    let bytes = count * PAGE_SIZE;
    let (start, _) = pool
        .stretches
        .iter_mut()
        .find(|(start, end)| end - start >= bytes)?;
    let address = PhysAddr::new(*start);
    *start += bytes;
    pool.free -= count;
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_inside_a_stretch_is_never_given_out() {
        let mut ranges = [(0, 0); 16];
        ranges[0] = (0, 100);
        assert_eq!(subtract(&mut ranges, 1, (40, 50)), 2);
        assert_eq!(&ranges[..2], &[(0, 40), (50, 100)]);
    }

    #[test]
    fn a_hole_over_a_whole_stretch_leaves_nothing() {
        let mut ranges = [(0, 0); 16];
        ranges[0] = (10, 20);
        assert_eq!(subtract(&mut ranges, 1, (0, 30)), 0);
    }
}
