//! The ledger: which CPU may hold which translation, by what the kernel saw itself do.
//!
//! Three things are known. When a page-table entry went out of force, from the [`History`] of its
//! space. When a CPU last executed an instruction that invalidates, from its [`Book`]. And what a
//! read through a CPU's TLB found. A CPU may hold a translation if it was in force at any time
//! since that CPU last invalidated it. That is sound whatever a protocol claims: what counts is
//! INVLPG and CR3, not an acknowledgement.
//!
//! "May" is the most that can be said without a look: a TLB fills by itself, and forgets by itself.
//!
//! **Order.** An invalidation is entered just before it is executed, with the time from before; a
//! change of an entry just after it was stored, with the time from after. So whoever reads
//! "invalidated after the change" can rely on it; the other error only lasts for a moment.
//!
//! Keeping books of single pages costs some instructions for each INVLPG; [`pause`] has that
//! stop, and an INVLPG then costs a test of a byte more than without a ledger.

mod history;

pub use history::{History, Read, Retired};

use crate::space::Space;
use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use hw::paging::MAX_SPACES;
use hw::phys::PAGE_SIZE;
use hw::{clock, interrupts, percpu};
use shootdown::{CpuId, MAX_CPUS, SpaceId};

/// How many pages a CPU's book has room for. A power of 2, so that neighbouring pages never
/// displace each other.
const SLOTS: usize = 256;

/// Whether invalidations of single pages are entered.
static ON: AtomicBool = AtomicBool::new(true);
/// How many hold it paused.
static PAUSES: AtomicUsize = AtomicUsize::new(0);
/// When the last pause ended.
static RESUMED: AtomicU64 = AtomicU64::new(0);

static BOOKS: [Book; MAX_CPUS] = [const { Book::new() }; MAX_CPUS];

/// When one CPU invalidated what. Only that CPU writes it; times are the time-stamp counter's.
struct Book {
    /// Its last flush of all that is not global.
    flushed: AtomicU64,
    /// By space, its last flush of what it holds of that: with PCIDs.
    flushed_of: [AtomicU64; MAX_SPACES],
    /// The latest time that had to make room for another page's.
    displaced: AtomicU64,
    slots: [Slot; SLOTS],
}

/// When a page of a space was last invalidated. The page, with the space's number in its low bits, is 0 while the slot
/// changes.
struct Slot {
    page: AtomicU64,
    at: AtomicU64,
}

impl Book {
    const fn new() -> Book {
        Book {
            flushed: AtomicU64::new(0),
            flushed_of: [const { AtomicU64::new(0) }; MAX_SPACES],
            displaced: AtomicU64::new(0),
            slots: [const {
                Slot {
                    page: AtomicU64::new(0),
                    at: AtomicU64::new(0),
                }
            }; SLOTS],
        }
    }

    fn slot(&self, page: u64) -> &Slot {
        &self.slots[(page / PAGE_SIZE) as usize % SLOTS]
    }

    fn enter(&self, page: u64, at: u64) {
        let slot = self.slot(page);
        let before = slot.page.load(Relaxed);
        if before != page {
            if before != 0 {
                let displaced = slot.at.load(Relaxed);
                self.displaced.fetch_max(displaced, Relaxed);
            }
            slot.page.store(0, Relaxed);
        }
        slot.at.store(at, Release);
        slot.page.store(page, Release);
    }

    /// When `page` was last invalidated by itself, as far as that is still known.
    fn invalidated(&self, page: u64) -> Option<u64> {
        let slot = self.slot(page);
        let known = slot.page.load(Acquire) == page;
        let at = slot.at.load(Acquire);
        (known && slot.page.load(Acquire) == page).then_some(at)
    }
}

/// Whether invalidations of single pages are entered.
#[inline(always)]
pub fn on() -> bool {
    ON.load(Relaxed)
}

/// Enters that this CPU is about to invalidate the page of `address` of its current space, if books are kept.
#[inline(always)]
pub fn invalidating(address: u64) {
    if on() {
        enter(key(SpaceId(percpu::space()), address));
    }
}

/// What a slot calls the page of `address` in `space`.
fn key(space: SpaceId, address: u64) -> u64 {
    address & !(PAGE_SIZE - 1) | u64::from(space.0)
}

#[cold]
fn enter(page: u64) {
    // The handler of an interrupt enters in the same book.
    let _off = interrupts::Off::new();
    BOOKS[percpu::cpu().index()].enter(page, clock::raw());
}

/// Enters that this CPU is about to drop all that it holds of `space`.
pub fn flushing_of(space: SpaceId) {
    BOOKS[percpu::cpu().index()].flushed_of[space.0 as usize % MAX_SPACES]
        .store(clock::raw(), Release);
}

/// Enters that this CPU is about to drop every translation that is not global: by loading CR3 without PCIDs, say.
#[inline(always)]
pub fn flushing() {
    BOOKS[percpu::cpu().index()]
        .flushed
        .store(clock::raw(), Release);
}

/// Books are not kept as long as one of these lives. What CPUs invalidate meanwhile is not known
/// afterwards.
#[derive(Debug)]
#[must_use = "books are kept again when this is dropped"]
pub struct Pause(());

/// Keeps no books of single pages until the value is dropped: for measurements.
pub fn pause() -> Pause {
    PAUSES.fetch_add(1, SeqCst);
    ON.store(false, SeqCst);
    Pause(())
}

impl Drop for Pause {
    fn drop(&mut self) {
        RESUMED.store(clock::raw(), SeqCst);
        if PAUSES.fetch_sub(1, SeqCst) == 1 {
            ON.store(true, SeqCst);
        }
    }
}

/// What is known of a CPU's last invalidation of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Last {
    /// It held nothing of the page at this time.
    pub at: u64,
    /// A later one, until this time, may have been missed.
    pub perhaps: u64,
}

impl Last {
    /// Whether a translation that went out of force at `until` survived; `None` if that is not known.
    pub fn survived(&self, until: u64) -> Option<bool> {
        match until {
            until if until < self.at => Some(false),
            until if until < self.perhaps => None,
            _ => Some(true),
        }
    }
}

/// When `cpu` last dropped its translation of `page` of `space`, as far as books were kept.
pub fn last(cpu: CpuId, space: SpaceId, page: u64) -> Last {
    let book = &BOOKS[cpu.index()];
    let of_space = book.flushed_of[space.0 as usize % MAX_SPACES].load(Acquire);
    let flushed = book.flushed.load(Acquire).max(of_space);
    let blind = RESUMED.load(Acquire);
    match book.invalidated(key(space, page)) {
        Some(at) => Last {
            at: at.max(flushed),
            perhaps: blind,
        },
        None => Last {
            at: flushed,
            perhaps: blind.max(book.displaced.load(Acquire)),
        },
    }
}

/// Whether `cpu`, which uses `space`, holds nothing of `page` for sure but what is in force.
pub fn quiet(space: &Space, page: u64, cpu: CpuId) -> bool {
    let history = space.history();
    history.held(page, cpu).is_empty() && !history.unknown(page, cpu)
}
