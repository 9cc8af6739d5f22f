//! Where a program lies in its space: the image that all share, and a page of its own.

use super::NotLaunched;
use crate::space::{self, Shoot, Space};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use hw::frames::Frame;
use hw::paging::MAX_SPACES;
use hw::paging::{MapError, Rights};
use hw::phys::PAGE_SIZE;
use hw::programs::{block, image, region};
use hw::sync::Lock;

/// Which slots of each space are taken, a bit each.
static TAKEN: Lock<[u128; MAX_SPACES]> = Lock::new([0; MAX_SPACES]);
/// One installation at a time.
static INSTALLING: Lock<()> = Lock::new(());

const _: () = assert!(region::SLOT_COUNT == u128::BITS as usize);

/// Sees to it that the image is mapped in `space`: as it should be, whoever has meddled with it.
pub(super) fn install(space: &Space) -> Result<(), space::Error> {
    let _one = INSTALLING.lock();
    for (bytes, page) in image()
        .chunks(PAGE_SIZE as usize)
        .zip((region::TEXT..).step_by(PAGE_SIZE as usize))
    {
        let mut words = bytes.chunks_exact(8).map(word);
        match space.entry(page) {
            Some(entry)
                if entry.rights() == Rights::USER_TEXT
                    && space.look(page) == words.clone().next() =>
            {
                continue;
            }
            Some(_) => space.unmap(page, 1, Shoot::Now)?,
            None => {}
        }
        space.map_frame(page, filled(0, &mut words)?, Rights::USER_TEXT)?;
    }
    Ok(())
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// A frame that holds `words` from word `first` on, and zeros.
fn filled(first: usize, words: &mut dyn Iterator<Item = u64>) -> Result<Frame, MapError> {
    let frame = Frame::zeroed().ok_or(MapError::NoMemory)?;
    for (into, word) in frame.words()[first..].iter().zip(words) {
        into.store(word, Relaxed);
    }
    Ok(frame)
}

/// A program's page.
///
/// Holding one proves that no other program of the space is given its slot. Dropping it takes the
/// page away: by then ring 3 is through with it.
#[derive(Debug)]
pub(super) struct Place {
    space: Arc<Space>,
    slot: usize,
}

impl Place {
    /// A page in `space` whose block holds `arguments`.
    pub(super) fn new(space: &Arc<Space>, arguments: &[u64]) -> Result<Place, NotLaunched> {
        let slot = claim(space).ok_or(NotLaunched::Full)?;
        let map = || {
            let first = block::OFFSET as usize / 8 + block::ARGUMENT;
            let frame = filled(first, &mut arguments.iter().copied())?;
            space.map_frame(region::page(slot), frame, Rights::USER_WRITE)
        };
        match map() {
            Ok(()) => Ok(Place {
                space: space.clone(),
                slot,
            }),
            Err(error) => {
                release(space, slot);
                Err(error.into())
            }
        }
    }

    /// The space that it is in.
    pub(super) fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// Where its block is.
    pub(super) fn block(&self) -> u64 {
        region::block(self.slot)
    }

    /// Word `index` of its block as it stands in memory; 0 if somebody took the page away.
    pub(super) fn word(&self, index: usize) -> u64 {
        self.space
            .look(self.block() + 8 * index as u64)
            .unwrap_or(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // If the shootdown is given up its frame stays out of use for good, as every such frame; if
        // somebody unmapped the page there is nothing to do.
        let _ = self.space.unmap(region::page(self.slot), 1, Shoot::Now);
        release(&self.space, self.slot);
    }
}

fn claim(space: &Space) -> Option<usize> {
    let mut taken = TAKEN.lock();
    let slots = &mut taken[space.id().0 as usize % MAX_SPACES];
    let slot = slots.trailing_ones() as usize;
    *slots |= 1_u128.checked_shl(slot as u32)?;
    Some(slot)
}

fn release(space: &Space, slot: usize) {
    TAKEN.lock()[space.id().0 as usize % MAX_SPACES] &= !(1 << slot);
}
