//! Physical memory as the tables' reader sees it.

use crate::phys;
use x86_64::PhysAddr;

/// Physical memory, of which some can be read.
pub trait Memory {
    /// Copies the bytes from physical `address` on into `into`. Returns `false`, having copied
    /// anything or nothing, unless all of them can be read.
    fn read(&self, address: u64, into: &mut [u8]) -> bool;
}

impl dyn Memory + '_ {
    /// `N` bytes at `base + offset`.
    pub(super) fn bytes<const N: usize>(&self, base: u64, offset: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.read(base.checked_add(offset)?, &mut bytes)
            .then_some(bytes)
    }

    /// A little-endian number there.
    pub(super) fn u32(&self, base: u64, offset: u64) -> Option<u32> {
        self.bytes(base, offset).map(u32::from_le_bytes)
    }

    /// A little-endian number there.
    pub(super) fn u64(&self, base: u64, offset: u64) -> Option<u64> {
        self.bytes(base, offset).map(u64::from_le_bytes)
    }

    /// Whether `length` bytes from `base` on can be read and add up to 0 modulo 256.
    pub(super) fn adds_up(&self, base: u64, length: u64) -> bool {
        let mut sum = 0u8;
        for offset in 0..length {
            match self.bytes::<1>(base, offset) {
                Some([byte]) => sum = sum.wrapping_add(byte),
                None => return false,
            }
        }
        sum == 0
    }
}

/// This machine's memory, through the direct map.
pub(super) struct DirectMap<'a> {
    mapped: &'a dyn Fn(u64, u64) -> bool,
}

impl<'a> DirectMap<'a> {
    /// The part of it that `mapped(start, length)` admits.
    pub fn new(mapped: &'a dyn Fn(u64, u64) -> bool) -> Self {
        DirectMap { mapped }
    }
}

impl Memory for DirectMap<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let length = into.len() as u64;
        let inside = address
            .checked_add(length)
            .is_some_and(|end| end <= phys::LIMIT);
        if !inside || !(self.mapped)(address, length) {
            return false;
        }
        let start = phys::map(PhysAddr::new(address)).as_ptr::<u8>();
        for (offset, byte) in into.iter_mut().enumerate() {
            // SAFETY: the byte lies in the direct map, and `mapped` says that it is shown there;
            // should that be wrong the page fault stops the machine. One volatile byte is read at a
            // time and no reference made, so it does not matter who else writes there.
            *byte = unsafe { start.add(offset).read_volatile() };
        }
        true
    }
}
