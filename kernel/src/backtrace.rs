//! Who called whom, by frame pointers.

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
