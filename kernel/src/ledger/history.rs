//! What a space's page table said before, as long as a TLB may still say it; and what was read.

use super::last;
use crate::{machine, space};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use hw::clock;
use hw::paging::{Entry, Rights};
use shootdown::{CpuId, SpaceId};

/// For how many pages translations that went out of force are remembered.
const PAGES: usize = 4096;
/// How many of one page.
const OF_A_PAGE: usize = 4;

/// A translation that went out of force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retired {
    /// The frame's physical address.
    pub frame: u64,
    /// The first word of the frame as it went: its tag, unless somebody wrote there.
    pub tag: u64,
    /// What it allowed.
    pub rights: Rights,
    /// When it had gone.
    pub until: u64,
}

/// What a read through a CPU's TLB found.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// A time before it.
    pub at: u64,
    /// Whether it was the translation then in force; else one of those before.
    pub fresh: bool,
    /// Whether a clear accessed bit proved that the TLB held it before.
    pub hit: bool,
}

/// The past of one space.
#[derive(Debug)]
pub struct History {
    space: SpaceId,
    retired: BTreeMap<u64, Vec<Retired>>,
    reads: BTreeMap<(u64, CpuId), Read>,
    /// When something was last left out for want of room.
    incomplete: u64,
}

impl History {
    /// Of `space`, which was never changed.
    pub const fn new(space: SpaceId) -> History {
        History {
            space,
            retired: BTreeMap::new(),
            reads: BTreeMap::new(),
            incomplete: 0,
        }
    }

    /// Enters that the entries `before`, each of a page and with its frame's first word, have just
    /// gone out of force in `space`.
    pub fn retire(&mut self, space: SpaceId, before: &[(u64, Entry, u64)]) {
        let now = clock::now_ordered();
        for &(page, entry, tag) in before {
            if self.retired.len() >= PAGES && !self.retired.contains_key(&page) {
                self.clean(space);
            }
            if self.retired.len() >= PAGES && !self.retired.contains_key(&page) {
                self.incomplete = now;
                continue;
            }
            let list = self.retired.entry(page).or_default();
            list.retain(|old| survives(space, page, old.until));
            if list.len() == OF_A_PAGE {
                list.remove(1);
            }
            list.push(Retired {
                frame: entry.frame(),
                tag,
                rights: entry.rights(),
                until: now,
            });
        }
    }

    /// Notes that something has just changed that is not entered.
    pub fn skip(&mut self) {
        self.incomplete = clock::now_ordered();
    }

    /// Forgets what no CPU can hold.
    fn clean(&mut self, space: SpaceId) {
        self.retired.retain(|&page, list| {
            list.retain(|old| survives(space, page, old.until));
            !list.is_empty()
        });
    }

    /// Enters what a read found.
    pub fn read(&mut self, page: u64, cpu: CpuId, read: Read) {
        if self.reads.len() < PAGES || self.reads.contains_key(&(page, cpu)) {
            self.reads.insert((page, cpu), read);
        }
    }

    /// The pages of which a CPU may still hold a translation that is out of force.
    pub fn pages(&mut self, space: SpaceId) -> Vec<u64> {
        self.clean(space);
        self.retired.keys().copied().collect()
    }

    /// The translations of `page` that are out of force and that `cpu` may hold, the oldest first.
    pub fn held(&self, page: u64, cpu: CpuId) -> Vec<Retired> {
        let last = last(cpu, self.space, page);
        self.retired
            .get(&page)
            .into_iter()
            .flatten()
            .filter(|old| last.survived(old.until) == Some(true))
            .copied()
            .collect()
    }

    /// Whether something is missing that `cpu` may hold of `page`.
    pub fn unknown(&self, page: u64, cpu: CpuId) -> bool {
        let last = last(cpu, self.space, page);
        let doubtful = |old: &Retired| last.survived(old.until).is_none();
        self.incomplete >= last.at || self.retired.get(&page).into_iter().flatten().any(doubtful)
    }

    /// What `cpu` read at `page` since it last invalidated it, if it did and nothing changed since.
    pub fn read_since(&self, page: u64, cpu: CpuId) -> Option<Read> {
        let read = *self.reads.get(&(page, cpu))?;
        (read.at
            > last(cpu, self.space, page)
                .at
                .max(last(cpu, self.space, page).perhaps))
        .then_some(read)
    }

    /// When the translation of `page` that is in force now came into force, or later.
    pub fn changed(&self, page: u64) -> u64 {
        self.retired
            .get(&page)
            .and_then(|list| list.last())
            .map_or(0, |old| old.until)
    }
}

/// Whether a CPU that uses `space`, or keeps what it holds of it for the time when it comes back, may hold a translation
/// of `page` that went at `until`.
fn survives(space: SpaceId, page: u64, until: u64) -> bool {
    machine::started().into_iter().any(|cpu| {
        (hw::percpu::of(cpu).current_space() == space.0 || space::keeps(space, cpu))
            && last(cpu, space, page).survived(until) != Some(false)
    })
}
