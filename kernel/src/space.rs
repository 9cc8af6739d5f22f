//! Address spaces: the user half of the page tables, who uses it, and what is to be shot down.

use crate::ledger::{self, History};
use crate::machine::Kernel;
use crate::{job, points, protocols, thread, witness};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use evidence::Kind;
use hw::frames::Frame;
use hw::paging::{self, Entry, MAX_SPACES, MapError, Rights, Root, UserTables, kpage};
use hw::phys::PAGE_SIZE;
use hw::sync::{Guard, IrqLock, Lock};
use hw::{clock, percpu, phys};
use shootdown::{
    Abandoned, Acknowledged, Activation, Contexts, CpuId, CpuSet, Flush, Machine, Membership,
    Request, SpaceId, Spaces, Standard, Targets, Tlb, Word,
};
use spin::Once;

/// The active sets of all spaces, by number: a handler must find them whatever becomes of the
/// space (I20).
static MEMBERS: Once<Spaces<Kernel>> = Once::new();
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
    /// What the tables said before, for the ledger.
    history: Lock<History>,
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

/// How page-table entries change, as records number it (see [`Event::Point`](evidence::Event)).
#[derive(Clone, Copy)]
enum Change {
    Map,
    Replace,
    Unmap,
    Protect,
}

/// What `pcids=` may be: one more than the highest PCID of a space. Its user tables have that with bit 11 set.
pub const PCIDS: RangeInclusive<u16> = 2..=0x800;

/// Builds what must exist before the first space, for `cpus` CPUs; each hands out the PCIDs below `pcids`, if there are
/// any.
pub fn init(cpus: usize, pcids: Option<u16>) {
    let (cpus, pcids) = match Kernel.mode().has_pcid() {
        true => (cpus, pcids.unwrap_or(*PCIDS.end())),
        false => (0, 2),
    };
    MEMBERS.call_once(|| Spaces::new(&Kernel, MAX_SPACES, cpus, pcids));
}

/// Every space's PCIDs and their generations.
pub fn contexts() -> &'static Contexts<Kernel> {
    members().contexts()
}

/// Whether `cpu` has PCIDs, and what it holds of `space` will count when it next activates it.
pub fn keeps(space: SpaceId, cpu: CpuId) -> bool {
    Kernel.mode().has_pcid() && {
        let contexts = contexts();
        contexts.generation(space, cpu).peek(Relaxed) == contexts.present(cpu).peek(Relaxed)
    }
}

/// The CPUs that may hold translations of `space`; every CPU for the kernel's.
#[inline(always)]
pub fn active(space: SpaceId) -> CpuSet {
    members().holders(&Kernel, space)
}

/// The CPUs that an initiator must ask, which has just changed the tables of `space` (I8).
#[inline(always)]
pub fn announce(space: SpaceId) -> CpuSet {
    match protocols::membership() {
        None => Standard.announce(&Kernel, members(), space),
        Some(given) => given.announce(&Kernel, members(), space),
    }
}

/// Switches this CPU from one space to another, in the order of I8 and I10. With interrupts off. `load` loads CR3.
fn activate(from: SpaceId, to: SpaceId, mut load: impl FnMut(Activation)) {
    let mut loads = 0;
    let mut load = |activation: Activation| {
        loads += 1;
        let kept = Kernel.mode().has_pcid() && activation.keep;
        if !kept {
            match Kernel.mode().has_pcid() {
                true => ledger::flushing_of(to),
                false => ledger::flushing(),
            }
        }
        load(activation);
        points::note(Kind::LoadCr3, u64::from(to.0), u64::from(kept));
    };
    match protocols::membership() {
        None => Standard.activate(&Kernel, members(), from, to, &mut load),
        Some(given) => given.activate(&Kernel, members(), from, to, &mut load),
    }
    assert!(
        loads == 1,
        "activate: CPU {}: CR3 was loaded {loads} times on the way from space {from} to space {to}: the \
         function it is loaded by is to be called once",
        percpu::cpu()
    );
}

/// The space whose active set lies at `address`.
pub fn with_active_set_at(address: usize) -> Option<SpaceId> {
    let sets = MEMBERS.get()?.active_sets();
    let number = sets
        .iter()
        .position(|set| core::ptr::from_ref(set).addr() == address)?;
    Some(SpaceId(number as u32))
}

/// Puts this CPU into the active set of `space` if it uses its tables: what [`switch_to`] does in
/// time, for a fault that does it too late.
pub fn enter_active_set(space: SpaceId) {
    if let Some(active) = members().active(space)
        && percpu::space() == space.0
    {
        active.enter(&Kernel);
    }
}

#[inline(always)]
fn members() -> &'static Spaces<Kernel> {
    MEMBERS.get().expect("built at boot")
}

/// A new, empty space, or `None` when memory or numbers are used up.
pub fn create() -> Option<Arc<Space>> {
    let mut spaces = SPACES.lock();
    let number = (1..MAX_SPACES).find(|&number| spaces[number].is_none())?;
    let id = SpaceId(number as u32);
    if Kernel.mode().has_pcid() {
        // What CPUs keep is of the space that had the number before.
        contexts().forget(id);
        Kernel.fence(SeqCst);
    }
    let tables = UserTables::new(id)?;
    let space = Arc::new(Space {
        id,
        root: tables.root(),
        tables: Lock::new(tables),
        kept_back: Lock::new(Vec::new()),
        history: Lock::new(History::new(id)),
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
    activate(SpaceId(percpu::space()), space.id, |activation| {
        paging::load_user(space.root, activation);
    });
}

/// Switches this CPU to the kernel's own tables.
pub fn leave() {
    let _off = hw::interrupts::Off::new();
    let from = SpaceId(percpu::space());
    if from != SpaceId::KERNEL {
        activate(from, SpaceId::KERNEL, |_| paging::load_kernel());
    }
}

/// Whether lazy CPUs stay where they are, whatever a handler asks: for benchmarks that need their targets to stay.
static STAY: AtomicBool = AtomicBool::new(false);

/// While it lives, lazy CPUs stay in their spaces. One at a time.
#[must_use = "lazy CPUs may leave again when this is dropped"]
#[derive(Debug)]
pub struct Stay(());

impl Stay {
    /// From now on.
    pub fn begin() -> Stay {
        STAY.store(true, SeqCst);
        Stay(())
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        STAY.store(false, SeqCst);
    }
}

/// For the shootdown's handler, on a CPU whose thread has no space: as [`leave`]. Returns whether it left one.
pub fn leave_from_handler() -> bool {
    if SpaceId(percpu::space()) == SpaceId::KERNEL || STAY.load(Relaxed) {
        return false;
    }
    leave();
    true
}

/// Puts a fresh frame under the kernel's page that may change. Returns its tag.
///
/// # Errors
/// The page tables' refusal, or an abandoned shootdown. Without one the old frame is lost for good.
pub fn change_kernel_page(shoot: Shoot) -> Result<u64, Error> {
    let (frame, tag) = tagged()?;
    let flush = kpage::replace(frame)?;
    match shoot {
        Shoot::Now => drop(protocols::flush(flush).map_err(Flush::abandon)?),
        Shoot::Later => drop(flush),
    }
    Ok(tag)
}

/// The word at `address` of that page, as the page table says.
pub fn look_at_kernel_page(address: u64) -> Option<u64> {
    content(kpage::entry(address)?, address)
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
        let change = witness::changing(self.id, page, 1);
        self.pass_pte_store(Change::Map, page, 1);
        let made = self.tables.lock().map(page, frame, rights);
        // No TLB holds what was absent, nor is told of what failed.
        change.took_nothing_away();
        made?;
        Ok(())
    }

    /// Puts a fresh frame with a tag of its own under `page`. Returns the tag.
    ///
    /// # Errors
    /// The page tables' refusal, or an abandoned shootdown.
    pub fn remap(&self, page: u64, shoot: Shoot) -> Result<u64, Error> {
        let (frame, tag) = tagged()?;
        let flush = self.change(Change::Replace, page, 1, |tables| {
            tables.replace(page, frame)
        })?;
        match shoot {
            Shoot::Now => drop(self.flush(flush).map_err(Flush::abandon)?),
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
        let fresh = fresh.ok_or(MapError::NoMemory)?;
        let _change = witness::changing(self.id, page, fresh.len() as u64);
        self.pass_pte_store(Change::Replace, page, fresh.len() as u64);
        let flush = self.tables.lock().replace_all(page, fresh);
        // Whoever storms has no use for books, and would wait for them.
        self.history.lock().skip();
        flush
    }

    /// Takes `pages` pages from `page` on away, and frees their frames once that is safe.
    ///
    /// # Errors
    /// The page tables' refusal, or an abandoned shootdown.
    pub fn unmap(&self, page: u64, pages: u64, shoot: Shoot) -> Result<(), Error> {
        let flush = self.change(Change::Unmap, page, pages, |tables| {
            tables.unmap(page, pages)
        })?;
        match shoot {
            Shoot::Now => drop(self.flush(flush).map_err(Flush::abandon)?),
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
        let flush = self.change(Change::Protect, page, pages, |tables| {
            tables.protect(page, pages, rights)
        })?;
        if shoot == Shoot::Now {
            let ((), _proof) = self.flush(flush).map_err(Flush::abandon)?;
        }
        Ok(())
    }

    /// Has `make` change the entries of `pages` pages from `page` on, and enters what they said
    /// before in the books.
    #[inline(always)]
    fn change<T>(
        &self,
        change: Change,
        page: u64,
        pages: u64,
        make: impl FnOnce(&UserTables) -> Result<T, MapError>,
    ) -> Result<T, MapError> {
        let changing = witness::changing(self.id, page, pages);
        self.pass_pte_store(change, page, pages);
        let tables = self.tables.lock();
        let before = ledger::on().then(|| entries(&tables, page, pages));
        let made = make(&tables);
        if let (Ok(_), Some(before)) = (&made, before) {
            self.history.lock().retire(self.id, &before);
        }
        drop(tables);
        match made {
            Ok(_) => drop(changing),
            Err(_) => changing.took_nothing_away(),
        }
        made
    }

    /// Shoots what `flush` holds; the witnesses are told what every CPU must see from then on.
    #[inline(always)]
    fn flush<T>(&self, flush: Flush<T>) -> Result<(T, Acknowledged), Flush<T>> {
        let shooting = witness::shooting();
        let done = protocols::flush(flush)?;
        shooting.returned(&done.1);
        Ok(done)
    }

    /// What the ledger knows of the past.
    pub fn history(&self) -> Guard<'_, History> {
        self.history.lock()
    }

    #[inline(always)]
    fn pass_pte_store(&self, change: Change, page: u64, pages: u64) {
        points::pass::pte_store(|| {
            (
                points::page_operand(page, change as u64),
                points::page_operand(page.wrapping_add(pages * PAGE_SIZE), u64::from(self.id.0)),
            )
        });
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
            let shooting = witness::shooting();
            let proof = protocols::shoot(request, targets)?;
            shooting.returned(&proof);
            return Ok(proof);
        }
        let due = {
            let mut kept = self.kept_back.lock();
            let (due, rest) = Flush::gather(request, core::mem::take(&mut *kept));
            *kept = rest;
            due
        };
        // A flush that holds nothing is the same shootdown.
        let (frames, proof) = self.flush(due).map_err(|late| {
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
        content(entry, address)
    }

    /// As [`look`](Self::look), with the frame.
    pub fn look_closely(&self, address: u64) -> Option<(Entry, u64)> {
        let tables = self.tables.lock();
        let entry = tables.entry(address & !(PAGE_SIZE - 1))?;
        Some((entry, content(entry, address)?))
    }

    /// Writes the word at `address` of a page that ring 3 may write, whatever any TLB says.
    ///
    /// # Errors
    /// The page tables' refusal.
    pub fn put(&self, address: u64, value: u64) -> Result<(), MapError> {
        self.tables.lock().store(address, value)
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

/// The entries of those of `pages` pages from `page` on that are mapped, and their frames' first
/// words.
fn entries(tables: &UserTables, page: u64, pages: u64) -> Vec<(u64, Entry, u64)> {
    (0..pages)
        .filter_map(|number| {
            let page = page.checked_add(number * PAGE_SIZE)?;
            let entry = tables.entry(page)?;
            Some((page, entry, content(entry, page)?))
        })
        .collect()
}

/// The word for `address` in the frame of its page's entry.
fn content(entry: Entry, address: u64) -> Option<u64> {
    hw::probe::read(phys::DIRECT_MAP + entry.frame() + (address & (PAGE_SIZE - 1))).ok()
}
