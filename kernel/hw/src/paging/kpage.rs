//! One page of the kernel's half whose frame may change, so that what becomes of a kernel translation can be
//! seen: every other page of that half is mapped once and for good.

use super::table::{KERNEL_TABLE, leaf};
use super::{Entry, KERNEL_ROOT, MapError, Rights, kernel_bits};
use crate::frames::Frame;
use crate::phys::PAGE_SIZE;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};
use shootdown::{Flush, Request, SpaceId};
use spin::Once;
use x86_64::PhysAddr;

/// Where: a top-level entry of its own.
pub const KPAGE: u64 = 0xffff_fd80_0000_0000;

/// The page's own entry.
static ENTRY: Once<&'static AtomicU64> = Once::new();

/// Puts `frame` under the page, for reading. What was there comes with the flush; nothing, the first time.
///
/// # Errors
/// [`MapError::NoMemory`] if there is none for the tables.
pub fn replace(frame: Frame) -> Result<Flush<Option<Frame>>, MapError> {
    let entry = match ENTRY.get() {
        Some(entry) => entry,
        None => {
            let root = *KERNEL_ROOT.lock();
            let entry = leaf(root, KPAGE, Some(KERNEL_TABLE)).ok_or(MapError::NoMemory)?;
            ENTRY.call_once(|| entry)
        }
    };
    let bits = frame.into_entry().as_u64() | kernel_bits(Rights::KERNEL_CONSTANTS);
    let old = Entry(entry.swap(bits, AcqRel));
    let old = old
        .present()
        .then(|| Frame::from_entry(PhysAddr::new(old.frame())));
    let request = Request::page(SpaceId::KERNEL, KPAGE).map_err(|_| MapError::NotUser)?;
    Ok(Flush::new(request, old))
}

/// The entry of the page that holds `address`, if that is this page and it is mapped.
pub fn entry(address: u64) -> Option<Entry> {
    let entry = Entry(ENTRY.get()?.load(Acquire));
    let here = address & !(PAGE_SIZE - 1) == KPAGE;
    (here && entry.present()).then_some(entry)
}
