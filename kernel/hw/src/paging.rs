//! Page tables: the kernel's own half, and the user half of each address space.
//!
//! Entries are atomic words, because every CPU's page walker reads them and sets their accessed
//! and dirty bits while another CPU changes them. Nothing here invalidates a TLB: whatever takes a
//! translation away returns a value that says so.

mod walk;

pub use walk::{Allows, Mapping, kernel_mappings};

use crate::boot::BootInfo;
use crate::frames::Frame;
use crate::phys::{self, PAGE_SIZE};
use crate::sync::IrqLock;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use shootdown::{Flush, Request, SpaceId};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr3, Cr3Flags, Cr4, Cr4Flags};
use x86_64::structures::paging::{PageTableFlags as Flags, PhysFrame};
use x86_64::{PhysAddr, VirtAddr};

/// Where the kernel is linked: its physical address plus this.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// The first address that is not ring 3's.
pub const USER_END: u64 = 0x0000_8000_0000_0000;

/// The bits of an entry that hold the frame's address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The bits of an entry that say what it allows.
const RIGHTS: u64 = Rights::DEVICE.0.bits() | Rights::USER_WRITE.0.bits();

/// What a mapping allows. There is no value that allows both writing and executing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights(Flags);

impl Rights {
    /// Kernel code.
    pub const KERNEL_TEXT: Rights = Rights(Flags::PRESENT);
    /// Kernel constants.
    pub const KERNEL_CONSTANTS: Rights = Rights(Flags::PRESENT.union(Flags::NO_EXECUTE));
    /// Kernel data.
    pub const KERNEL_DATA: Rights = Rights(Rights::KERNEL_CONSTANTS.0.union(Flags::WRITABLE));
    /// Device registers: not cached.
    pub const DEVICE: Rights = Rights(
        Rights::KERNEL_DATA
            .0
            .union(Flags::NO_CACHE)
            .union(Flags::WRITE_THROUGH),
    );
    /// Ring 3 may execute.
    pub const USER_TEXT: Rights = Rights(Flags::PRESENT.union(Flags::USER_ACCESSIBLE));
    /// Ring 3 may read.
    pub const USER_READ: Rights = Rights(Rights::USER_TEXT.0.union(Flags::NO_EXECUTE));
    /// Ring 3 may read and write.
    pub const USER_WRITE: Rights = Rights(Rights::USER_READ.0.union(Flags::WRITABLE));

    /// Whether ring 3 may write.
    pub fn writable(self) -> bool {
        self.0.contains(Flags::WRITABLE)
    }

    /// Whether ring 3 may execute.
    pub fn executable(self) -> bool {
        !self.0.contains(Flags::NO_EXECUTE)
    }
}

/// A page-table entry as it stood when it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(u64);

impl Entry {
    /// Whether it maps something.
    pub fn present(self) -> bool {
        self.flags().contains(Flags::PRESENT)
    }

    /// The frame's physical address.
    pub fn frame(self) -> u64 {
        self.0 & ADDRESS
    }

    /// What it allows.
    pub fn rights(self) -> Rights {
        Rights(Flags::from_bits_truncate(self.0 & RIGHTS))
    }

    /// Whether a walk used it since the bit was last cleared.
    pub fn accessed(self) -> bool {
        self.flags().contains(Flags::ACCESSED)
    }

    /// Whether a write went through it since the bit was last cleared.
    pub fn dirty(self) -> bool {
        self.flags().contains(Flags::DIRTY)
    }

    /// The whole word.
    pub fn bits(self) -> u64 {
        self.0
    }

    fn flags(self) -> Flags {
        Flags::from_bits_truncate(self.0)
    }
}

/// Why a page could not be mapped or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// Memory is used up.
    NoMemory,
    /// The address is not a page of ring 3's half above page 0.
    NotUser,
    /// The page is mapped already.
    Mapped,
    /// The page is not mapped.
    NotMapped,
}

impl core::fmt::Display for MapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            MapError::NoMemory => "no frame is free",
            MapError::NotUser => {
                "not a page of the user half (0x1000 to 0x7fffffffffff, page 0 excluded)"
            }
            MapError::Mapped => "the page is mapped already",
            MapError::NotMapped => "the page is not mapped",
        })
    }
}

type Table = [AtomicU64; 512];

/// The table at physical `address`.
fn table(address: u64) -> &'static Table {
    // SAFETY: only called for frames that a live page-table entry or root names as a table:
    // whole, aligned, in the direct map, and only ever reached as atomics.
    unsafe { &*phys::map(PhysAddr::new(address)).as_ptr() }
}

fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * level)) as usize & 511
}

/// The table one level down from `entry`, made if it is absent and `make` says with what flags.
fn next_table(entry: &AtomicU64, make: Option<Flags>) -> Option<&'static Table> {
    let bits = entry.load(Acquire);
    if bits & Flags::PRESENT.bits() != 0 {
        assert!(
            bits & Flags::HUGE_PAGE.bits() == 0,
            "a 4 KiB page was asked for inside a large one"
        );
        return Some(table(bits & ADDRESS));
    }
    let address = Frame::zeroed()?.into_entry();
    entry.store(address.as_u64() | make?.bits(), Release);
    Some(table(address.as_u64()))
}

/// The last-level entry for `address` under the top-level table at `root`.
fn leaf(root: u64, address: u64, make: Option<Flags>) -> Option<&'static AtomicU64> {
    let mut current = table(root);
    for level in [3, 2, 1] {
        let entry = &current[index(address, level)];
        if make.is_none() && entry.load(Acquire) & Flags::PRESENT.bits() == 0 {
            return None;
        }
        current = next_table(entry, make)?;
    }
    Some(&current[index(address, 0)])
}

const KERNEL_TABLE: Flags = Flags::PRESENT.union(Flags::WRITABLE);
const USER_TABLE: Flags = KERNEL_TABLE.union(Flags::USER_ACCESSIBLE);

/// The kernel's top-level table; its upper half is every address space's.
static KERNEL_ROOT: IrqLock<u64> = IrqLock::new(0);

/// The linker script's names for where the image's parts begin and end.
#[cfg(target_os = "none")]
mod image {
    use super::KERNEL_BASE;

    unsafe extern "C" {
        static image_start: u8;
        static text_end: u8;
        static rodata_end: u8;
        static image_end: u8;
    }

    /// Physical addresses: of the image's first byte, and one past its text, its constants, its
    /// data. Whole pages.
    pub fn bounds() -> [u64; 4] {
        [
            &raw const image_start,
            &raw const text_end,
            &raw const rodata_end,
            &raw const image_end,
        ]
        .map(|symbol| symbol as u64 - KERNEL_BASE)
    }
}

/// The physical memory that the kernel's image takes up.
pub(crate) fn image_range() -> (u64, u64) {
    #[cfg(target_os = "none")]
    {
        let [start, .., end] = image::bounds();
        (start, end)
    }
    #[cfg(not(target_os = "none"))]
    (0, 0)
}

/// The physical memory of the kernel's text, then of its constants, which follow it. Neither is
/// ever writable, by any name.
pub fn fixed_ranges() -> [Range<u64>; 2] {
    #[cfg(target_os = "none")]
    {
        let [start, text_end, constants_end, _] = image::bounds();
        [start..text_end, text_end..constants_end]
    }
    #[cfg(not(target_os = "none"))]
    [0..0, 0..0]
}

/// Builds the kernel's tables and loads them. Once, on the first CPU, before the heap is touched.
///
/// # Panics
/// If memory runs out.
#[cfg(target_os = "none")]
pub fn init(boot: &BootInfo) {
    let root = Frame::zeroed()
        .expect("memory for the kernel's page tables")
        .into_entry()
        .as_u64();
    // Every top-level entry of the kernel's half exists from the start, so that a new address
    // space can copy them once and for all.
    for entry in &table(root)[256..] {
        next_table(entry, Some(KERNEL_TABLE)).expect("memory for the kernel's page tables");
    }
    map_direct(root, boot);
    map_image(root);
    *KERNEL_ROOT.lock() = root;
    enable_protections();
    load_root(root);
}

/// Maps the first 4 GiB and all RAM above at the direct map: RAM cached, the rest as devices.
#[cfg(target_os = "none")]
fn map_direct(root: u64, boot: &BootInfo) {
    const LARGE: u64 = 2 << 20;
    let top = boot
        .regions()
        .iter()
        .filter(|r| r.usable)
        .map(|r| r.end)
        .max()
        .unwrap_or(0);
    let top = top.clamp(4 << 30, phys::LIMIT);
    let [image_start, _, constants_end, _] = image::bounds();
    for start in (0..top).step_by(LARGE as usize) {
        let in_ram = boot
            .regions()
            .iter()
            .any(|r| r.usable && r.start < start + LARGE && start < r.end);
        if !in_ram && start >= 4 << 30 {
            continue;
        }
        if start < constants_end && image_start < start + LARGE {
            // The image's text and constants are read-only under this name too.
            for address in (start..start + LARGE).step_by(PAGE_SIZE as usize) {
                let fixed = (image_start..constants_end).contains(&address);
                let rights = if fixed {
                    Rights::KERNEL_CONSTANTS
                } else {
                    Rights::KERNEL_DATA
                };
                set_leaf(root, phys::DIRECT_MAP + address, address, rights);
            }
            continue;
        }
        let rights = if in_ram {
            Rights::KERNEL_DATA
        } else {
            Rights::DEVICE
        };
        let mut current = table(root);
        for level in [3, 2] {
            current = next_table(
                &current[index(phys::DIRECT_MAP + start, level)],
                Some(KERNEL_TABLE),
            )
            .expect("memory for the direct map");
        }
        current[index(phys::DIRECT_MAP + start, 1)]
            .store(start | (rights.0 | Flags::HUGE_PAGE).bits(), Relaxed);
    }
}

/// Maps the image at its linked address, each section with just its rights.
#[cfg(target_os = "none")]
fn map_image(root: u64) {
    let [start, text_end, constants_end, end] = image::bounds();
    for address in (start..end).step_by(PAGE_SIZE as usize) {
        let rights = if address < text_end {
            Rights::KERNEL_TEXT
        } else if address < constants_end {
            Rights::KERNEL_CONSTANTS
        } else {
            Rights::KERNEL_DATA
        };
        set_leaf(root, KERNEL_BASE + address, address, rights);
    }
}

#[cfg(target_os = "none")]
fn set_leaf(root: u64, address: u64, frame: u64, rights: Rights) {
    leaf(root, address, Some(KERNEL_TABLE))
        .expect("memory for page tables")
        .store(frame | rights.0.bits(), Relaxed);
}

/// Maps a page of the kernel's half that was never mapped, for every CPU and for good.
pub(crate) fn map_kernel(address: VirtAddr, frame: Frame, rights: Rights) -> Option<()> {
    let root = KERNEL_ROOT.lock();
    let entry = leaf(*root, address.as_u64(), Some(KERNEL_TABLE))?;
    assert!(
        entry.load(Acquire) & Flags::PRESENT.bits() == 0,
        "kernel page {address:?} mapped twice"
    );
    entry.store(frame.into_entry().as_u64() | rights.0.bits(), Release);
    Some(())
}

/// Turns on what protects the kernel from itself: NX, write protection in ring 0 and, where the
/// CPU has it, no execution of user pages. On each CPU.
pub(crate) fn enable_protections() {
    // SAFETY: each only takes rights away; the kernel needs none of them.
    unsafe {
        Cr0::update(|cr0| cr0.insert(Cr0Flags::WRITE_PROTECT));
        if core::arch::x86_64::__cpuid_count(7, 0).ebx & 1 << 7 != 0 {
            Cr4::update(|cr4| cr4.insert(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION));
        }
    }
}

fn load_root(root: u64) {
    let frame = PhysFrame::containing_address(PhysAddr::new(root));
    // SAFETY: the table maps the kernel's half as every other one does.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
}

/// The kernel's top-level table, for a CPU that starts.
#[cfg(target_os = "none")]
pub(crate) fn kernel_root() -> u64 {
    *KERNEL_ROOT.lock()
}

/// Loads the kernel's own tables, which map nothing of ring 3's, and records that.
pub fn load_kernel() {
    let _off = crate::interrupts::Off::new();
    let root = *KERNEL_ROOT.lock();
    load_root(root);
    crate::percpu::set_space(SpaceId::KERNEL.0);
}

/// The entry that maps `address` of the kernel's half, if it is mapped by a 4 KiB page.
pub fn kernel_entry(address: u64) -> Option<Entry> {
    let root = *KERNEL_ROOT.lock();
    let mut current = table(root);
    for level in [3, 2, 1] {
        let bits = current[index(address, level)].load(Acquire);
        if bits & Flags::PRESENT.bits() == 0 || bits & Flags::HUGE_PAGE.bits() != 0 {
            return None;
        }
        current = table(bits & ADDRESS);
    }
    let entry = Entry(current[index(address, 0)].load(Acquire));
    entry.present().then_some(entry)
}

/// The user half of an address space.
///
/// It owns the frames mapped in it. Calls that change it are for one CPU at a time (the space's
/// lock); every CPU's walker may read it meanwhile. What takes a translation away returns a
/// [`Flush`], which alone gives the frames back, and only once it was shot.
#[derive(Debug)]
pub struct UserTables {
    root: u64,
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
        Some(UserTables { root, space })
    }

    /// The physical address of the top-level table, for [`load_user`].
    pub fn root(&self) -> Root {
        Root(self.root)
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

/// A top-level table that may be loaded into CR3.
///
/// Holding one proves that it maps the kernel's half as every other one does. Loading it after its
/// space was dropped leaves the machine on dead tables: the space's active set is there for that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root(u64);

/// Loads a space's tables on this CPU, which drops its translations that are not global, and
/// records `space` as the current one. One step as handlers see it (I10).
///
/// # Panics
/// With interrupts on.
pub fn load_user(root: Root, space: SpaceId) {
    assert!(
        !crate::interrupts::are_enabled(),
        "CR3 and the current space change as one (I10): interrupts are on"
    );
    load_root(root.0);
    crate::percpu::set_space(space.0);
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

/// Frees the tables and every frame mapped in them.
///
/// Whoever drops them has seen to it that no CPU uses them or will: each CPU that did has loaded
/// others since, which dropped its translations (I20).
impl Drop for UserTables {
    fn drop(&mut self) {
        assert!(
            crate::tlb::root() != self.root,
            "an address space was dropped on a CPU that uses it"
        );
        free_user(self.root, 3);
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
