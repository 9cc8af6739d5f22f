//! Software breakpoints: INT3 in the place of an instruction's first byte, while CPUs run.
//!
//! The text has them only from [`plant`] to [`lift`]; a debugger that reads memory between sees the
//! instructions themselves.

use super::memory;
use crate::paging::alias;
use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// How many there can be.
pub const MOST: usize = 128;

/// The instruction.
const INT3: u8 = 0xcc;

/// One breakpoint; free while `physical` is [`FREE`].
struct Slot {
    address: AtomicU64,
    physical: AtomicU64,
    /// The byte that INT3 stands for, while planted.
    byte: AtomicU8,
    planted: AtomicBool,
}

const FREE: u64 = u64::MAX;

static SLOTS: [Slot; MOST] = [const {
    Slot {
        address: AtomicU64::new(0),
        physical: AtomicU64::new(FREE),
        byte: AtomicU8::new(0),
        planted: AtomicBool::new(false),
    }
}; MOST];

/// Why there can be no breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Nothing is mapped there, or no RAM.
    NotMapped,
    /// The way from an exception to the debugger leads over it.
    OnTheWay,
    /// There are [`MOST`] already.
    TooMany,
}

/// Puts a breakpoint at `address` in the tables at `root`; once or several times is the same. It
/// takes effect with the next [`plant`].
///
/// # Errors
/// [`Refused`].
pub fn insert(root: u64, address: u64) -> Result<(), Refused> {
    let physical = memory::translate(root, address).ok_or(Refused::NotMapped)?;
    let mut byte = [0];
    if memory::read(physical, &mut byte) == 0 {
        return Err(Refused::NotMapped);
    }
    if crate::entry::is_entry_text(address) {
        return Err(Refused::OnTheWay);
    }
    if slot_at(address).is_some() {
        return Ok(());
    }
    let free = SLOTS
        .iter()
        .find(|slot| slot.physical.load(Relaxed) == FREE)
        .ok_or(Refused::TooMany)?;
    free.address.store(address, Relaxed);
    free.physical.store(physical, Release);
    Ok(())
}

/// Takes the breakpoint at `address` away. Returns whether there was one. Not while planted.
pub fn remove(address: u64) -> bool {
    slot_at(address).is_some_and(|slot| {
        slot.physical.store(FREE, Release);
        true
    })
}

/// Takes all away. Not while planted.
pub fn clear() {
    for slot in &SLOTS {
        slot.physical.store(FREE, Release);
    }
}

/// Whether there is one at `address`.
pub fn is_at(address: u64) -> bool {
    slot_at(address).is_some()
}

/// How many there are.
pub fn count() -> usize {
    SLOTS
        .iter()
        .filter(|slot| slot.physical.load(Relaxed) != FREE)
        .count()
}

#[inline(always)]
fn slot_at(address: u64) -> Option<&'static Slot> {
    let mut index = 0;
    // Not an iterator: `lift_at` may call nothing that could have a breakpoint of its own.
    while index < MOST {
        let slot = &SLOTS[index];
        if slot.physical.load(Acquire) != FREE && slot.address.load(Relaxed) == address {
            return Some(slot);
        }
        index += 1;
    }
    None
}

/// Writes INT3 where there are breakpoints. By one CPU, while the others stand still.
pub fn plant() {
    for slot in &SLOTS {
        let physical = slot.physical.load(Acquire);
        let mut byte = [0];
        if physical == FREE || slot.planted.load(Relaxed) || memory::read(physical, &mut byte) == 0
        {
            continue;
        }
        slot.byte.store(byte[0], Relaxed);
        // Before the byte: the next instruction may be the one.
        slot.planted.store(true, Release);
        memory::write(physical, &[INT3]);
    }
}

/// Puts the instructions back.
pub fn lift() {
    for slot in &SLOTS {
        lift_slot(slot);
    }
}

#[inline(always)]
fn lift_slot(slot: &Slot) {
    if slot.planted.swap(false, AcqRel) {
        let physical = slot.physical.load(Acquire);
        let byte = [slot.byte.load(Relaxed)];
        // SAFETY: the slot's frame is RAM; the byte is the one that was there.
        unsafe { alias::write(physical, &byte) };
    }
}

/// Puts the instruction at `address` back, until the next [`plant`], if a breakpoint stands there.
/// Returns whether one did, or does. For a breakpoint that the debugger's own code met: nothing that
/// this calls can have one.
#[inline(always)]
pub(super) fn lift_at(address: u64) -> bool {
    match slot_at(address) {
        Some(slot) => {
            lift_slot(slot);
            true
        }
        None => false,
    }
}
