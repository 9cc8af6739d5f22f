//! Where the scoreboard's slots are in memory.

use crate::{CpuId, Machine, Slot};

/// Slots in a cache line of 64 bytes.
pub const SLOTS_PER_LINE: usize = 16;

/// Where the slots are: rows of equal length, one for each target, a column for each initiator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rows {
    /// Words before the first row, so that it begins where a cache line does.
    pub base: usize,
    /// Words from one row to the next.
    pub stride: usize,
}

impl Rows {
    /// How far apart rows for `cpus` initiators are: as close as they go, or on cache lines of
    /// their own.
    pub const fn stride(cpus: usize, padded: bool) -> usize {
        if padded {
            cpus.next_multiple_of(SLOTS_PER_LINE)
        } else {
            cpus
        }
    }

    /// Where the slot of `target` for `initiator` is.
    #[inline(always)]
    pub const fn index(self, target: CpuId, initiator: usize) -> usize {
        self.base + target.index() * self.stride + initiator
    }
}

/// One initiator's slots: one in each row.
pub struct Column<'s, M: Machine> {
    /// From the slot in the first row on.
    pub slots: &'s [M::Word<u32, Slot>],
    /// As in [`Rows`].
    pub stride: usize,
}

impl<'s, M: Machine> Column<'s, M> {
    #[inline(always)]
    /// The slot of `target`.
    pub fn slot_of(&self, target: CpuId) -> &'s M::Word<u32, Slot> {
        &self.slots[target.index() * self.stride]
    }
}
