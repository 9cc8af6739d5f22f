//! The user half of an address space.

use super::entry::RIGHTS;
use super::table::{USER_TABLE, index, leaf, table};
use super::{Entry, KERNEL_ROOT, MapError, Rights, USER_END, isolated, load_root};
use crate::frames::Frame;
use crate::phys::PAGE_SIZE;
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
    fence,
};
use shootdown::{Activation, CpuSet, Flush, MAX_CPUS, Request, SpaceId};
use x86_64::PhysAddr;
use x86_64::structures::paging::PageTableFlags as Flags;

/// The user half of an address space.
///
/// It owns the frames mapped in it. Calls that change it are for one CPU at a time (the space's
/// lock); every CPU's walker may read it meanwhile. What takes a translation away returns a
/// [`Flush`], which alone gives the frames back, and only once it was shot.
#[derive(Debug)]
pub struct UserTables {
    root: u64,
    /// The top-level table that ring 3 runs on, 0 if that is `root`. Its lower half holds what that of `root` does.
    user: u64,
    space: SpaceId,
}

impl UserTables {
    /// Tables of `space` that map nothing of ring 3's, or `None` when memory is used up.
    pub fn new(space: SpaceId) -> Option<UserTables> {
        let root = Frame::zeroed()?.into_entry().as_u64();
        let kernel = *KERNEL_ROOT.lock();
        for (new, old) in table(root)[256..].iter().zip(&table(kernel)[256..]) {
            new.store(old.load(Relaxed), Relaxed);
        }
        let user = isolated::root().unwrap_or(Some(0))?;
        LIVE[slot(space)].store(root, SeqCst);
        Some(UserTables { root, user, space })
    }

    /// The top-level table, for [`load_user`].
    pub fn root(&self) -> Root {
        Root {
            address: self.root,
            user: self.user,
            space: self.space,
        }
    }

    /// Maps `frame` at `page` with `rights`. No CPU can hold a translation of an absent page, so
    /// nothing needs to be invalidated.
    ///
    /// # Errors
    /// Which it is: no memory for tables, an address that is not ring 3's, a page mapped already.
    /// The frame is freed.
    pub fn map(&self, page: u64, frame: Frame, rights: Rights) -> Result<(), MapError> {
        check(page)?;
        let entry = leaf(self.root, page, Some(USER_TABLE)).ok_or(MapError::NoMemory)?;
        if self.user != 0 {
            // It may be new. Tables below the top are one for both, and are there as long as the space is.
            let top = index(page, 3);
            table(self.user)[top].store(table(self.root)[top].load(Acquire), Release);
        }
        if entry.load(Acquire) & Flags::PRESENT.bits() != 0 {
            return Err(MapError::Mapped);
        }
        entry.store(frame.into_entry().as_u64() | rights.0.bits(), Release);
        Ok(())
    }

    /// Puts `frame` in the place of the one mapped at `page`, with the same rights.
    ///
    /// # Errors
    /// The page is not mapped, or not ring 3's; `frame` is freed.
    pub fn replace(&self, page: u64, frame: Frame) -> Result<Flush<Frame>, MapError> {
        let entry = self.mapped(page)?;
        let rights = Entry(entry.load(Acquire)).rights();
        let old = Entry(entry.swap(frame.into_entry().as_u64() | rights.0.bits(), AcqRel));
        Ok(Flush::new(
            self.request(page, 1)?,
            Frame::from_entry(PhysAddr::new(old.frame())),
        ))
    }

    /// Puts `frames` in the place of those mapped from `page` on, one after the other, each with
    /// the rights of its predecessor. One flush for all of them.
    ///
    /// # Errors
    /// One of the pages is not mapped, or not ring 3's; nothing has changed then, and `frames` are
    /// freed.
    pub fn replace_all(
        &self,
        page: u64,
        frames: Vec<Frame>,
    ) -> Result<Flush<Vec<Frame>>, MapError> {
        let pages = frames.len() as u64;
        let request = self.request(page, pages)?;
        let exchange = |(entry, frame): (&AtomicU64, Frame)| {
            let rights = Entry(entry.load(Acquire)).rights();
            let old = Entry(entry.swap(frame.into_entry().as_u64() | rights.0.bits(), AcqRel));
            Frame::from_entry(PhysAddr::new(old.frame()))
        };
        let old = self
            .all_mapped(page, pages)?
            .zip(frames)
            .map(exchange)
            .collect();
        Ok(Flush::new(request, old))
    }

    /// Takes the mappings of `pages` pages from `page` on away.
    ///
    /// # Errors
    /// One of the pages is not mapped, or not ring 3's; nothing has changed then.
    pub fn unmap(&self, page: u64, pages: u64) -> Result<Flush<Vec<Frame>>, MapError> {
        let request = self.request(page, pages)?;
        let mut frames = Vec::with_capacity(pages as usize);
        for entry in self.all_mapped(page, pages)? {
            let old = Entry(entry.swap(0, AcqRel));
            frames.push(Frame::from_entry(PhysAddr::new(old.frame())));
        }
        Ok(Flush::new(request, frames))
    }

    /// Changes what the mappings of `pages` pages from `page` on allow, keeping what the walkers
    /// noted. Rights that were taken away hold everywhere once the flush was shot.
    ///
    /// # Errors
    /// One of the pages is not mapped, or not ring 3's; nothing has changed then.
    pub fn protect(&self, page: u64, pages: u64, rights: Rights) -> Result<Flush<()>, MapError> {
        let request = self.request(page, pages)?;
        for entry in self.all_mapped(page, pages)? {
            let change = |bits| Some((bits & !RIGHTS) | rights.0.bits());
            entry
                .fetch_update(AcqRel, Acquire, change)
                .expect("never refuses");
        }
        Ok(Flush::new(request, ()))
    }

    /// The entry of `page` as it stands.
    pub fn entry(&self, page: u64) -> Option<Entry> {
        check(page).ok()?;
        let entry = Entry(leaf(self.root, page, None)?.load(Acquire));
        entry.present().then_some(entry)
    }

    /// Clears the accessed bit of `page` and leaves every TLB as it is: the next access sets it
    /// again only if it walks the tables.
    ///
    /// # Errors
    /// The page is not mapped, or not ring 3's.
    pub fn clear_accessed(&self, page: u64) -> Result<(), MapError> {
        self.mapped(page)?
            .fetch_and(!Flags::ACCESSED.bits(), AcqRel);
        Ok(())
    }

    /// Writes the word at `address`, in the frame that is mapped there now, whatever any TLB says.
    ///
    /// # Errors
    /// The page is not mapped, ring 3 may not write it, or the address is no word's.
    pub fn store(&self, address: u64, value: u64) -> Result<(), MapError> {
        let page = address & !(PAGE_SIZE - 1);
        let entry = Entry(self.mapped(page)?.load(Acquire));
        if !entry.rights().writable() || !address.is_multiple_of(8) {
            return Err(MapError::NotUser);
        }
        // The tables own the frame, and are locked: it stays theirs meanwhile.
        let frame = Frame::from_entry(PhysAddr::new(entry.frame()));
        frame.words()[((address - page) / 8) as usize].store(value, SeqCst);
        let _ = frame.into_entry();
        Ok(())
    }

    /// Every mapped page with its entry, lowest address first.
    pub fn for_each(&self, mut visit: impl FnMut(u64, Entry)) {
        visit_user(self.root, 3, 0, &mut visit);
    }

    fn request(&self, page: u64, pages: u64) -> Result<Request, MapError> {
        let end = pages
            .checked_mul(PAGE_SIZE)
            .and_then(|bytes| page.checked_add(bytes));
        let end = end
            .filter(|&end| end <= USER_END)
            .ok_or(MapError::NotUser)?;
        Request::range(self.space, page, end).map_err(|_| MapError::NotUser)
    }

    fn mapped(&self, page: u64) -> Result<&'static AtomicU64, MapError> {
        check(page)?;
        let entry = leaf(self.root, page, None).ok_or(MapError::NotMapped)?;
        if entry.load(Acquire) & Flags::PRESENT.bits() == 0 {
            return Err(MapError::NotMapped);
        }
        Ok(entry)
    }

    /// The entries of `pages` pages from `page` on, if every one is mapped.
    fn all_mapped(
        &self,
        page: u64,
        pages: u64,
    ) -> Result<impl Iterator<Item = &'static AtomicU64>, MapError> {
        let all = (0..pages).map(move |number| self.mapped(page + number * PAGE_SIZE));
        all.clone().try_for_each(|entry| entry.map(|_| ()))?;
        Ok(all.flatten())
    }
}

/// A top-level table that may be loaded into CR3, as long as its space is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root {
    address: u64,
    user: u64,
    space: SpaceId,
}

/// One more than the highest number a space can have; 0 is the kernel's.
pub const MAX_SPACES: usize = 64;

/// The top-level table of each space that is there, by number.
static LIVE: [AtomicU64; MAX_SPACES] = [const { AtomicU64::new(0) }; MAX_SPACES];

fn slot(space: SpaceId) -> usize {
    space.0 as usize % MAX_SPACES
}

/// Loads a space's tables on this CPU, as `activation` says, and records the space as the current one. One step as
/// handlers see it (I10).
///
/// # Panics
/// With interrupts on, if the space was dropped, or for a PCID that no space may have.
pub fn load_user(root: Root, activation: Activation) {
    assert!(
        !crate::interrupts::are_enabled(),
        "CR3 and the current space change as one (I10): interrupts are on"
    );
    // Said before it is looked whether the tables are there, and they are withdrawn before it is
    // looked who uses them: of the two, one sees the other.
    crate::percpu::set_space(root.space.0);
    fence(SeqCst);
    assert!(
        LIVE[slot(root.space)].load(SeqCst) == root.address,
        "address space {} was dropped",
        root.space
    );
    let pcid = activation.pcid;
    assert!(
        pcid.0 < 0x800,
        "{pcid:?} for address space {}: spaces have those below 0x800, user tables the rest",
        root.space
    );
    load_root(root.address, root.user, pcid, activation.keep);
}

fn check(page: u64) -> Result<(), MapError> {
    let user = (PAGE_SIZE..USER_END).contains(&page) && page.is_multiple_of(PAGE_SIZE);
    if user { Ok(()) } else { Err(MapError::NotUser) }
}

fn visit_user(address: u64, level: u32, base: u64, visit: &mut dyn FnMut(u64, Entry)) {
    let count = if level == 3 { 256 } else { 512 };
    for (position, entry) in table(address)[..count].iter().enumerate() {
        let entry = Entry(entry.load(Acquire));
        if !entry.present() {
            continue;
        }
        let start = base + ((position as u64) << (12 + 9 * level));
        if level == 0 {
            visit(start, entry);
        } else {
            visit_user(entry.frame(), level - 1, start, visit);
        }
    }
}

/// Frees the tables and every frame mapped in them. Each CPU that used them has loaded others since, which dropped its
/// translations (I20); or with PCIDs, no CPU uses those again: whatever space gets the number finds its generations
/// cleared.
///
/// # Panics
/// If a CPU still uses them.
impl Drop for UserTables {
    fn drop(&mut self) {
        LIVE[slot(self.space)].store(0, SeqCst);
        fence(SeqCst);
        let user = CpuSet::first(MAX_CPUS)
            .into_iter()
            .find(|&cpu| crate::percpu::of(cpu).current_space() == self.space.0);
        assert!(
            user.is_none(),
            "address space {} was dropped while CPU {user:?} uses it",
            self.space
        );
        free_user(self.root, 3);
        if self.user != 0 {
            drop(Frame::from_entry(PhysAddr::new(self.user)));
        }
    }
}

fn free_user(address: u64, level: u32) {
    let count = if level == 3 { 256 } else { 512 };
    for entry in &table(address)[..count] {
        let entry = Entry(entry.load(Acquire));
        if !entry.present() {
            continue;
        }
        if level > 0 {
            free_user(entry.frame(), level - 1);
        } else {
            drop(Frame::from_entry(PhysAddr::new(entry.frame())));
        }
    }
    drop(Frame::from_entry(PhysAddr::new(address)));
}
