//! Hardware breakpoints and watchpoints: one set of four for all CPUs.
//!
//! A CPU takes over the set each time that it leaves the debugger, or by [`arm`].

use super::registers;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use x86_64::registers::debug::Dr6;

/// How many there can be at a time.
pub const SLOTS: usize = 4;

/// What is watched for at an address (the R/W field of DR7; SDM vol. 3B, 18.2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Access {
    /// The instruction there is about to be executed.
    Execute = 0,
    /// Something was written there.
    Write = 1,
    /// Something was read or written there. The machine cannot tell reads alone.
    ReadWrite = 3,
}

/// DR7's bit that is always set.
const ALWAYS: u64 = 1 << 10;

static ADDRESSES: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];
/// What each CPU's DR7 is to hold.
static CONTROL: AtomicU64 = AtomicU64::new(ALWAYS);

/// Bits of DR7 for `slot`: enabled for all tasks, access, length.
const fn bits(slot: usize, access: Access, bytes: u64) -> u64 {
    let length = match bytes {
        2 => 1,
        4 => 3,
        8 => 2,
        _ => 0,
    };
    2 << (2 * slot) | (access as u64 | length << 2) << (16 + 4 * slot)
}

/// Every bit of DR7 that belongs to `slot`.
const fn all_bits(slot: usize) -> u64 {
    3 << (2 * slot) | 0xf << (16 + 4 * slot)
}

fn used(slot: usize) -> bool {
    CONTROL.load(Relaxed) & 3 << (2 * slot) != 0
}

/// Watches `bytes` bytes at `address`, one slot for each aligned piece of 1, 2, 4 or 8 of them. An
/// instruction has one byte. One caller at a time.
///
/// Returns false, and watches nothing more than before, if there are too few free slots.
pub fn insert(address: u64, bytes: u64, access: Access) -> bool {
    let free = (0..SLOTS).filter(|&slot| !used(slot));
    let needed = pieces(address, bytes).count();
    if bytes == 0 || needed > free.clone().count() {
        return false;
    }
    for (slot, (start, length)) in free.zip(pieces(address, bytes)) {
        ADDRESSES[slot].store(start, Relaxed);
        CONTROL.fetch_or(bits(slot, access, length), Relaxed);
    }
    true
}

/// Undoes an [`insert`] of the same arguments. Returns whether there was one.
pub fn remove(address: u64, bytes: u64, access: Access) -> bool {
    let mut all = bytes > 0;
    for (start, length) in pieces(address, bytes) {
        let wanted = bits(0, access, length);
        let slot = (0..SLOTS).find(|&slot| {
            let is = CONTROL.load(Relaxed) & all_bits(slot);
            ADDRESSES[slot].load(Relaxed) == start && is == shifted(wanted, slot)
        });
        match slot {
            Some(slot) => clear_slot(slot),
            None => all = false,
        }
    }
    all
}

/// The bits of slot 0, moved to `slot`.
const fn shifted(bits: u64, slot: usize) -> u64 {
    (bits & 3) << (2 * slot) | (bits >> 16 & 0xf) << (16 + 4 * slot)
}

fn clear_slot(slot: usize) {
    CONTROL.fetch_and(!all_bits(slot), Relaxed);
}

/// Watches nothing any more.
pub fn clear() {
    CONTROL.store(ALWAYS, Relaxed);
}

/// The aligned pieces that cover `bytes` bytes at `address`: what one slot each can watch.
fn pieces(address: u64, bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = address.saturating_add(bytes);
    let mut next = address;
    core::iter::from_fn(move || {
        let left = end.checked_sub(next).filter(|&left| left > 0)?;
        let fits = [8, 4, 2, 1]
            .into_iter()
            .find(|&size| next.is_multiple_of(size) && size <= left)?;
        let piece = (next, fits);
        next += fits;
        Some(piece)
    })
}

/// Has this CPU watch what is to be watched.
#[inline]
pub fn arm() {
    let control = CONTROL.load(Relaxed);
    if control != ALWAYS {
        registers::arm(
            core::array::from_fn(|slot| ADDRESSES[slot].load(Relaxed)),
            control,
        );
    }
}

/// What a CPU's DR7 holds when it runs.
pub(super) fn control() -> u64 {
    CONTROL.load(Relaxed)
}

/// What a debug exception was raised for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    /// An instruction was stepped.
    pub step: bool,
    /// The address and the access that were watched for.
    pub hit: Option<(u64, Access)>,
}

/// In DR6: the exception follows a step.
const STEP: u64 = 1 << 14;
/// What DR6 holds when nothing has happened.
const NOTHING: u64 = 0xffff_0ff0;

/// What this CPU's debug exception was raised for. Asked once for each.
pub fn take_cause() -> Cause {
    let status = Dr6::read_raw();
    registers::clear_status(NOTHING);
    // Bits of slots that are not enabled mean nothing.
    let slot = (0..SLOTS).find(|&slot| status & 1 << slot != 0 && used(slot));
    Cause {
        step: status & STEP != 0,
        hit: slot.map(|slot| {
            let access = match CONTROL.load(Relaxed) >> (16 + 4 * slot) & 3 {
                0 => Access::Execute,
                1 => Access::Write,
                _ => Access::ReadWrite,
            };
            (ADDRESSES[slot].load(Relaxed), access)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_watch_that_misses_the_bytes_across_a_boundary() {
        let covered = |address, bytes| pieces(address, bytes).collect::<Vec<_>>();
        assert_eq!(covered(0x1000, 8), [(0x1000, 8)]);
        assert_eq!(covered(0x1003, 6), [(0x1003, 1), (0x1004, 4), (0x1008, 1)]);
        assert_eq!(covered(u64::MAX, 1), []);
    }

    /// One test, since the table is one.
    #[test]
    fn slots_that_leak_or_collide() {
        assert!(insert(0x1000, 8, Access::Write));
        assert!(
            !insert(0x2001, 15, Access::Write),
            "four pieces in three slots"
        );
        assert!(insert(0x2000, 4, Access::ReadWrite) && insert(0x3000, 1, Access::Execute));
        assert!(!remove(0x1000, 4, Access::Write), "another length");
        assert!(remove(0x1000, 8, Access::Write) && !remove(0x1000, 8, Access::Write));
        assert!(insert(0x5000, 16, Access::Write));
        clear();
        assert!((0..SLOTS).all(|slot| !used(slot)));
        assert_eq!(bits(1, Access::Write, 8), 2 << 2 | 0b1001 << 20);
    }
}
