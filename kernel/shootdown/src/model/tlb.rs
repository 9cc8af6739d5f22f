//! Page tables and TLBs. A page's entry is a number that goes up with each change, so a read that
//! returns less than it should is stale; 1 bit of space keeps the spaces' numbers apart.

use super::{Model, SPACES};
use crate::{Activation, Invpcid, Mode, PAGE_SIZE, Pcid, Point, SpaceId};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::collections::HashMap;
use std::sync::MutexGuard;
use std::vec::Vec;

/// Pages in each space.
pub const PAGES: usize = 16;

/// Which half's tables a read goes through: under page-table isolation they differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    Kernel,
    User,
}

/// The address of page `index`, in the kernel's half for [`SpaceId::KERNEL`].
pub fn page(space: SpaceId, index: usize) -> u64 {
    let base = if space == SpaceId::KERNEL {
        0xffff_8000_0000_0000
    } else {
        0x40_0000
    };
    base + index as u64 * PAGE_SIZE
}

/// Every space's page table, as main memory.
pub struct Tables(Vec<[AtomicU64; PAGES]>);

impl Tables {
    pub fn new() -> Self {
        // What a space's pages hold starts at its number in millions.
        let table =
            |space| [const { AtomicU64::new(0) }; PAGES].map(|_| AtomicU64::new(space * 1_000_000));
        Tables((0..SPACES as u64).map(table).collect())
    }

    fn entry(&self, space: SpaceId, va: u64) -> &AtomicU64 {
        let index = (va - page(space, 0)) / PAGE_SIZE;
        &self.0[space.0 as usize][index as usize]
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Tag {
    Global,
    Of(Pcid),
}

/// One CPU's TLB, and what it is filled through.
pub struct Tlb {
    entries: HashMap<(Tag, u64), u64>,
    /// Whose tables CR3 holds.
    pub space: SpaceId,
    pcid: Pcid,
    /// Whether the next way out to user mode flushes the user PCID.
    pub user_flush: bool,
    pub cache_flushes: u32,
    pub global_flushes: u32,
}

impl Default for Tlb {
    fn default() -> Self {
        Tlb {
            entries: HashMap::new(),
            space: SpaceId::KERNEL,
            pcid: Pcid::KERNEL,
            user_flush: false,
            cache_flushes: 0,
            global_flushes: 0,
        }
    }
}

impl Tlb {
    /// A CR3 load for `space`; without PCIDs it forgets all but global entries.
    pub fn load_cr3(&mut self, space: SpaceId, activation: Option<Activation>) {
        let Activation { pcid, keep } = activation.unwrap_or(Activation {
            pcid: Pcid::KERNEL,
            keep: false,
        });
        (self.space, self.pcid) = (space, pcid);
        self.user_flush = false;
        if !keep {
            self.forget_pcid(pcid);
            self.forget_pcid(pcid.user());
        }
    }

    pub fn reload_cr3(&mut self) {
        self.forget_pcid(self.pcid);
    }

    fn forget_pcid(&mut self, pcid: Pcid) {
        self.entries.retain(|&(tag, _), _| tag != Tag::Of(pcid));
    }

    pub fn invlpg(&mut self, va: u64) {
        self.entries.remove(&(Tag::Global, va));
        self.entries.remove(&(Tag::Of(self.pcid), va));
    }

    pub fn invlpg_user(&mut self, va: u64) {
        self.entries.remove(&(Tag::Of(self.pcid.user()), va));
    }

    pub fn flush_global(&mut self) {
        self.global_flushes += 1;
        self.entries.clear();
    }

    pub fn invpcid(&mut self, what: Invpcid) {
        match what {
            Invpcid::Address(pcid, va) => drop(self.entries.remove(&(Tag::Of(pcid), va))),
            Invpcid::Context(pcid) => self.forget_pcid(pcid),
            Invpcid::AllWithGlobal => self.flush_global(),
            Invpcid::AllButGlobal => self.entries.retain(|&(tag, _), _| tag == Tag::Global),
        }
    }
}

impl Model {
    /// This CPU's TLB.
    pub fn tlb(self) -> MutexGuard<'static, Tlb> {
        self.0.tlbs[self.me()].lock().unwrap()
    }

    /// Changes the entry of `va` in `space` to the next number, and returns that. The page is
    /// expected to be shot down afterwards.
    pub fn change(self, space: SpaceId, va: u64) -> u64 {
        self.pass(Some(Point::PteStore));
        let entry = self.0.tables.entry(space, va);
        let next = entry.load(SeqCst) + 1;
        entry.store(next, SeqCst);
        next
    }

    /// What the page table says of `va`.
    pub fn truth(self, space: SpaceId, va: u64) -> u64 {
        self.0.tables.entry(space, va).load(SeqCst)
    }

    /// Reads `va` through this CPU's TLB, in its current space.
    pub fn read(self, view: View, va: u64) -> u64 {
        self.poll();
        let has_user_pcid = self.mode_has_user_pcid();
        let mut tlb = self.tlb();
        let mut pcid = tlb.pcid;
        if has_user_pcid && view == View::User {
            pcid = pcid.user();
            if core::mem::take(&mut tlb.user_flush) {
                tlb.forget_pcid(pcid);
            }
        }
        let kernel = va >> 63 != 0;
        let tag = if kernel && !has_user_pcid {
            Tag::Global
        } else {
            Tag::Of(pcid)
        };
        let space = if kernel { SpaceId::KERNEL } else { tlb.space };
        *tlb.entries
            .entry((tag, va))
            .or_insert_with(|| self.truth(space, va))
    }

    fn mode_has_user_pcid(self) -> bool {
        matches!(self.0.mode, Mode::PcidPti | Mode::InvpcidPti)
    }
}
