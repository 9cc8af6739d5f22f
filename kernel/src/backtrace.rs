//! Who called whom, by frame pointers.

use core::mem::offset_of;
use hw::entry::Frame;
use hw::probe;

/// The most calls that are followed.
pub const DEPTH: usize = 32;

/// The return addresses from the frame at `rbp` outwards. Memory is read by accesses that may
/// fail, so a ruined stack ends the walk and nothing else.
pub fn walk(rbp: u64) -> impl Iterator<Item = u64> {
    let mut frame = rbp;
    core::iter::from_fn(move || {
        let caller = probe::read(frame).ok()?;
        let address = probe::read(frame.checked_add(8)?).ok()?;
        if address < hw::paging::KERNEL_BASE {
            return None;
        }
        // Frames lie higher and higher: anything else is a loop or rubbish.
        frame = if caller > frame { caller } else { 0 };
        Some(address)
    })
    .take(DEPTH)
}

/// The vectors of the interrupts whose handlers are among the calls from the frame at `rbp`
/// outwards, where kernel code has `code_segment`. Found by what the entry code leaves on the stack:
/// the interrupted registers, right above the frame of what it calls.
pub fn interrupts(rbp: u64, code_segment: u64) -> impl Iterator<Item = u8> {
    let mut frame = rbp;
    let frames = core::iter::from_fn(move || {
        let here = (frame != 0).then_some(frame)?;
        let caller = probe::read(here).ok()?;
        frame = if caller > here { caller } else { 0 };
        Some(here)
    });
    frames
        .take(DEPTH)
        .filter_map(move |frame| interrupted(frame + 16, code_segment))
}

/// The vector of the interrupt whose registers lie at `address`, if they look like such.
fn interrupted(address: u64, code_segment: u64) -> Option<u8> {
    let word = |offset: usize| probe::read(address.checked_add(offset as u64)?).ok();
    let vector = u8::try_from(word(offset_of!(Frame, vector))?).ok()?;
    let segment = word(offset_of!(Frame, cs))?;
    let plausible = word(offset_of!(Frame, error))? == 0
        && (segment == code_segment || segment < 0x100 && segment & 3 == 3);
    plausible.then_some(vector)
}
