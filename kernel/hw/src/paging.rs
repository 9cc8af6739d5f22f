//! Page tables: the kernel's own half, and the user half of each address space.
//!
//! Entries are atomic words, because every CPU's page walker reads them and sets their accessed
//! and dirty bits while another CPU changes them. Nothing here invalidates a TLB: whatever takes a
//! translation away returns a value that says so.

pub(crate) mod alias;
mod build;
mod entry;
pub(crate) mod isolated;
pub mod kpage;
pub(crate) mod table;
mod user;
mod walk;

pub use build::fixed_ranges;
pub(crate) use build::image_range;
#[cfg(target_os = "none")]
pub use build::init;
pub use entry::{Entry, MapError, Rights};
pub use user::{MAX_SPACES, Root, UserTables, load_user};
pub use walk::{Allows, Mapping, kernel_mappings};

use crate::frames::Frame;
use crate::sync::IrqLock;
use core::arch::asm;
use core::sync::atomic::Ordering::{Acquire, Release};
use shootdown::{Pcid, SpaceId};
use table::{KERNEL_TABLE, leaf, table};
use x86_64::VirtAddr;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::structures::paging::PageTableFlags as Flags;

/// Where the kernel is linked: its physical address plus this.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// The first address that is not ring 3's.
pub const USER_END: u64 = 0x0000_8000_0000_0000;

/// The bits of an entry that hold the frame's address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The bits of an entry of the kernel's half that allows `rights`: its translations are global, which counts where
/// CR4.PGE is on. Not if ring 3 has tables of its own: a global translation would serve there too.
fn kernel_bits(rights: Rights) -> u64 {
    match crate::tlb::isolated() {
        true => rights.0.bits(),
        false => rights.0.union(Flags::GLOBAL).bits(),
    }
}

/// The kernel's top-level table; its upper half is every address space's.
static KERNEL_ROOT: IrqLock<u64> = IrqLock::new(0);

/// Maps a page of the kernel's half that was never mapped, for every CPU and for good.
pub(crate) fn map_kernel(address: VirtAddr, frame: Frame, rights: Rights) -> Option<()> {
    let root = KERNEL_ROOT.lock();
    let entry = leaf(*root, address.as_u64(), Some(KERNEL_TABLE))?;
    assert!(
        entry.load(Acquire) & Flags::PRESENT.bits() == 0,
        "kernel page {address:?} mapped twice"
    );
    entry.store(frame.into_entry().as_u64() | kernel_bits(rights), Release);
    Some(())
}

/// Turns on global translations, and what protects the kernel from itself: NX, write protection in ring 0 and, where the
/// CPU has it, no execution of ring 3's pages and no access to them but by [`probe`](crate::probe).
/// On each CPU.
///
/// Under QEMU the last has a second use: accesses with ring 3's pages opened have a TLB of their
/// own there, so that the kernel's pages do not evict what a probe is to find.
pub(crate) fn enable_protections() {
    crate::tlb::enable_global();
    let features = core::arch::x86_64::__cpuid_count(7, 0).ebx;
    // SAFETY: each only takes rights away; the kernel needs none of them.
    unsafe {
        Cr0::update(|cr0| cr0.insert(Cr0Flags::WRITE_PROTECT));
        if features & 1 << 7 != 0 {
            Cr4::update(|cr4| cr4.insert(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION));
        }
        if features & 1 << 20 != 0 {
            crate::probe::set_smap();
            Cr4::update(|cr4| cr4.insert(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION));
        }
    }
}

/// Loads the top-level table at `root` under `pcid`, and notes that the kernel runs on it; `user` is the one that ring 3
/// is to run on, 0 for none. Without PCIDs every translation that is not global is forgotten, with PCIDs those of `pcid`
/// and of its user PCID unless they are to be kept. With interrupts off.
fn load_root(root: u64, user: u64, pcid: Pcid, keep: bool) {
    use crate::tlb::cr3;
    let user_cr3 = match user {
        0 => 0,
        user => cr3(user, pcid.user(), true),
    };
    if crate::percpu::user_flush_deferred() {
        // The space may come back before anything clears its generation here.
        crate::tlb::flush_user_pcid();
    }
    crate::percpu::set_roots(cr3(root, pcid, true), user_cr3);
    let value = cr3(root, pcid, keep);
    // SAFETY: the table maps the kernel's half as every other one does; bit 63 and the PCID are there with PCIDs only.
    unsafe { asm!("mov cr3, {}", in(reg) value, options(nostack, preserves_flags)) };
    if value & crate::tlb::KEEP != 0 {
        crate::percpu::count(crate::percpu::Counter::Cr3Kept, 1);
    }
    // At once: put off to the way out it would be lost with a switch before that, and the next activation keeps.
    if user != 0 && !keep && crate::tlb::mode().has_pcid() {
        crate::tlb::flush_user_pcid();
    }
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
    load_root(root, 0, Pcid::KERNEL, true);
    crate::percpu::set_space(SpaceId::KERNEL.0);
}
