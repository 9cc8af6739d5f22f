//! Address spaces: the user half of the page tables, who uses it, and what is to be shot down.

use crate::machine::{self, Kernel};
use crate::{job, protocols, thread};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use hw::frames::Frame;
use hw::paging::{self, Entry, MAX_SPACES, MapError, Rights, Root, UserTables};
use hw::phys::PAGE_SIZE;
use hw::sync::{IrqLock, Lock};
use hw::{clock, percpu, phys};
use shootdown::{
    Abandoned, Acknowledged, ActiveSet, CpuSet, Flush, Machine, Point, Request, SpaceId, Targets,
};
use spin::Once;

/// The active sets of all spaces, by number: a handler must find them whatever becomes of the
/// space (I20).
static ACTIVE: Once<Box<[ActiveSet<Kernel>; MAX_SPACES]>> = Once::new();
/// The spaces there are.
static SPACES: IrqLock<[Option<Arc<Space>>; MAX_SPACES]> =
    IrqLock::new([const { None }; MAX_SPACES]);
/// The tag of the next frame.
static NEXT_TAG: AtomicU64 = AtomicU64::new(1);

/// An address space.
///
/// It stays in the table of spaces until it is dropped there, so a CPU may go on using its page
/// tables after its last thread has ended.
#[derive(Debug)]
pub struct Space {
    id: SpaceId,
    root: Root,
    tables: Lock<UserTables>,
    /// Frames that were taken out of the tables without a shootdown, until there is one.
    kept_back: Lock<Vec<Flush<Vec<Frame>>>>,
}

/// Why a space did not do what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The page tables refused.
    Map(MapError),
    /// The shootdown was given up: the change is made, the old frames are lost.
    Abandoned,
}

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        Error::Map(error)
    }
}

impl From<Abandoned> for Error {
    fn from(_: Abandoned) -> Self {
        Error::Abandoned
    }
}

/// Whether a change of the page tables is followed by a shootdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shoot {
    /// At once.
    Now,
    /// Not at all: the old frames are kept back until a later one.
    Later,
}

/// Builds what must exist before the first space.
pub fn init() {
    ACTIVE.call_once(|| Box::new([(); MAX_SPACES].map(|()| ActiveSet::new(&Kernel))));
}

/// The CPUs that may hold translations of `space`; every CPU for the kernel's.
#[inline(always)]
pub fn active(space: SpaceId) -> CpuSet {
    match space {
        SpaceId::KERNEL => machine::online(),
        space => active_set(space).snapshot(),
    }
}

#[inline(always)]
fn active_set(space: SpaceId) -> &'static ActiveSet<Kernel> {
    &ACTIVE.get().expect("built at boot")[space.0 as usize % MAX_SPACES]
}

/// A new, empty space, or `None` when memory or numbers are used up.
pub fn create() -> Option<Arc<Space>> {
    let mut spaces = SPACES.lock();
    let number = (1..MAX_SPACES).find(|&number| spaces[number].is_none())?;
    let id = SpaceId(number as u32);
    let tables = UserTables::new(id)?;
    let space = Arc::new(Space {
        id,
        root: tables.root(),
        tables: Lock::new(tables),
        kept_back: Lock::new(Vec::new()),
    });
    spaces[number] = Some(space.clone());
    Some(space)
}

/// The space numbered `id`, if there is one.
pub fn find(id: SpaceId) -> Option<Arc<Space>> {
    SPACES.lock().get(id.0 as usize)?.clone()
}

/// Every space there is.
pub fn all() -> Vec<Arc<Space>> {
    SPACES.lock().iter().flatten().cloned().collect()
}

/// Takes `id` out of the table and frees it, page tables, frames and all. The caller has seen to
/// it that no thread is in it and no CPU uses its tables.
///
/// # Errors
/// Whoever still uses it: the CPUs on which it is active, and whether threads hold it.
pub fn remove(id: SpaceId) -> Result<(), InUse> {
    let mut spaces = SPACES.lock();
    let entry = &mut spaces[id.0 as usize % MAX_SPACES];
    let Some(space) = entry.take() else {
        return Ok(());
    };
    let active = active(id);
    match Arc::try_unwrap(space) {
        Ok(space) if active.is_empty() => {
            drop(spaces);
            drop(space);
            Ok(())
        }
        Ok(space) => {
            *entry = Some(Arc::new(space));
            Err(InUse {
                active,
                threads: false,
            })
        }
        Err(space) => {
            *entry = Some(space);
            Err(InUse {
                active,
                threads: true,
            })
        }
    }
}

/// How long [`retire`] waits for threads that are ending, in microseconds.
const ENDING_US: u64 = 500_000;

/// Has every CPU that still uses the tables of `id` leave them, then frees it all.
///
/// # Errors
/// Whoever still uses it after half a second.
pub fn retire(id: SpaceId) -> Result<(), InUse> {
    let deadline = clock::Deadline::after_us(ENDING_US);
    loop {
        for cpu in active(id) {
            let leave = move || {
                if percpu::space() == id.0 {
                    leave();
                }
            };
            // A CPU that does not do it stays in the active set, which is the error below.
            let _ = job::start("leave", cpu, None, leave).and_then(job::Job::finish);
        }
        match remove(id) {
            // A job's thread holds its space a little longer than its result is awaited.
            Err(_) if !deadline.expired() => thread::doze(),
            outcome => return outcome,
        }
    }
}

/// Who uses a space that was to be removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InUse {
    /// The CPUs on which it is active.
    pub active: CpuSet,
    /// Whether threads are in it.
    pub threads: bool,
}

/// Switches this CPU to `space`, in the order of I8 and I10. With interrupts off.
pub fn switch_to(space: &Space) {
    let from = SpaceId(percpu::space());
    let from = (from != SpaceId::KERNEL).then(|| active_set(from));
    shootdown::activate(&Kernel, from, Some(active_set(space.id)), || {
        paging::load_user(space.root)
    });
}

/// Switches this CPU to the kernel's own tables.
pub fn leave() {
    let _off = hw::interrupts::Off::new();
    let from = SpaceId(percpu::space());
    if from != SpaceId::KERNEL {
        shootdown::activate(&Kernel, Some(active_set(from)), None, paging::load_kernel);
    }
}

fn tagged() -> Result<(Frame, u64), MapError> {
    let tag = NEXT_TAG.fetch_add(1, Relaxed);
    let frame = Frame::filled(tag).ok_or(MapError::NoMemory)?;
    Ok((frame, tag))
}

impl Space {
    /// Its number.
    pub fn id(&self) -> SpaceId {
        self.id
    }

    /// Maps a fresh frame at each of `pages` pages from `page` on, every word of it a tag that no
    /// other frame has. Returns the first tag.
    ///
    /// # Errors
    /// The page tables' refusal of the first page that fails; those before it stay mapped.
    pub fn map(&self, page: u64, pages: u64, rights: Rights) -> Result<u64, Error> {
        let mut first = 0;
        for number in 0..pages {
            let (frame, tag) = tagged()?;
            self.map_frame(page + number * PAGE_SIZE, frame, rights)?;
            if number == 0 {
                first = tag;
            }
        }
        Ok(first)
    }

    /// Maps `frame` at `page`.
    ///
    /// # Errors
    /// The page tables' refusal; the frame is freed.
    pub fn map_frame(&self, page: u64, frame: Frame, rights: Rights) -> Result<(), Error> {
        Kernel.point(Point::PteStore);
        Ok(self.tables.lock().map(page, frame, rights)?)
    }

    /// Puts a fresh frame with a tag of its own under `page`. Returns the tag.
    ///
    /// # Errors
    /// The page tables' refusal, or an abandoned shootdown.
    pub fn remap(&self, page: u64, shoot: Shoot) -> Result<u64, Error> {
        let (frame, tag) = tagged()?;
        Kernel.point(Point::PteStore);
        let flush = self.tables.lock().replace(page, frame)?;
        match shoot {
            Shoot::Now => drop(protocols::flush(flush).map_err(Flush::abandon)?),
            Shoot::Later => self.keep_back(flush.listed()),
        }
        Ok(tag)
    }

    /// Puts a fresh frame under each page from `page` on, one for each of `tags`, filled with it.
    /// The old frames come with the flush: one request for all of them, which is the caller's to
    /// shoot.
    ///
    /// # Errors
    /// The page tables' refusal; nothing has changed then.
    pub fn replace(
        &self,
        page: u64,
        tags: impl IntoIterator<Item = u64>,
    ) -> Result<Flush<Vec<Frame>>, MapError> {
        let fresh: Option<Vec<Frame>> = tags.into_iter().map(Frame::filled).collect();
        Kernel.point(Point::PteStore);
        self.tables
            .lock()
            .replace_all(page, fresh.ok_or(MapError::NoMemory)?)
    }

    /// Takes `pages` pages from `page` on away, and frees their frames once that is safe.
    ///
    /// # Errors
    /// The page tables' refusal, or an abandoned shootdown.
    pub fn unmap(&self, page: u64, pages: u64, shoot: Shoot) -> Result<(), Error> {
        Kernel.point(Point::PteStore);
        let flush = self.tables.lock().unmap(page, pages)?;
        match shoot {
            Shoot::Now => drop(protocols::flush(flush).map_err(Flush::abandon)?),
            Shoot::Later => self.keep_back(flush),
        }
        Ok(())
    }

    /// Changes what `pages` pages from `page` on allow.
    ///
    /// # Errors
    /// The page tables' refusal, or an abandoned shootdown.
    #[inline]
    pub fn protect(
        &self,
        page: u64,
        pages: u64,
        rights: Rights,
        shoot: Shoot,
    ) -> Result<(), Error> {
        Kernel.point(Point::PteStore);
        let flush = self.tables.lock().protect(page, pages, rights)?;
        if shoot == Shoot::Now {
            let ((), _proof) = protocols::flush(flush).map_err(Flush::abandon)?;
        }
        Ok(())
    }

    fn keep_back(&self, flush: Flush<Vec<Frame>>) {
        self.kept_back.lock().push(flush);
    }

    /// How many frames are kept back because their translations were not shot down.
    pub fn kept_back(&self) -> usize {
        self.kept_back.lock().len()
    }

    /// Performs `request`, and frees the frames that were kept back and whose translations it covers.
    ///
    /// # Errors
    /// An abandoned shootdown; the frames stay kept back.
    pub fn shoot(&self, request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
        if targets != Targets::Active {
            return protocols::shoot(request, targets);
        }
        let due = {
            let mut kept = self.kept_back.lock();
            let (due, rest) = Flush::gather(request, core::mem::take(&mut *kept));
            *kept = rest;
            due
        };
        // A flush that holds nothing is the same shootdown.
        let (frames, proof) = protocols::flush(due).map_err(|late| {
            self.keep_back(late);
            Abandoned
        })?;
        drop(frames);
        Ok(proof)
    }

    /// The entry of the page that holds `address`.
    pub fn entry(&self, address: u64) -> Option<Entry> {
        self.tables.lock().entry(address & !(PAGE_SIZE - 1))
    }

    /// Clears the accessed bit of the page that holds `address`.
    ///
    /// # Errors
    /// The page tables' refusal.
    pub fn clear_accessed(&self, address: u64) -> Result<(), MapError> {
        self.tables
            .lock()
            .clear_accessed(address & !(PAGE_SIZE - 1))
    }

    /// What the page tables say `address` holds now, whatever any TLB says.
    pub fn look(&self, address: u64) -> Option<u64> {
        let tables = self.tables.lock();
        let entry = tables.entry(address & !(PAGE_SIZE - 1))?;
        hw::probe::read(phys::DIRECT_MAP + entry.frame() + (address & (PAGE_SIZE - 1))).ok()
    }

    /// Every mapped page with its entry, lowest address first.
    pub fn pages(&self) -> Vec<(u64, Entry)> {
        let mut pages = Vec::new();
        self.tables
            .lock()
            .for_each(|page, entry| pages.push((page, entry)));
        pages
    }
}
