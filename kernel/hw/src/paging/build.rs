//! The kernel's own tables, built once at boot, and where its image lies.

use super::KERNEL_BASE;
#[cfg(target_os = "none")]
use super::table::{KERNEL_TABLE, index, leaf, next_table, table};
#[cfg(target_os = "none")]
use super::{KERNEL_ROOT, Rights, enable_protections, isolated, kernel_bits, load_root};
#[cfg(target_os = "none")]
use crate::{boot::BootInfo, frames::Frame, phys, phys::PAGE_SIZE};
use core::ops::Range;
#[cfg(target_os = "none")]
use core::sync::atomic::Ordering::Relaxed;
#[cfg(target_os = "none")]
use shootdown::Pcid;
#[cfg(target_os = "none")]
use x86_64::structures::paging::PageTableFlags as Flags;

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

/// Builds the kernel's tables and loads them, in the mode that was [chosen](crate::tlb::choose). Once, on the first CPU,
/// before the heap is touched, with interrupts off.
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
    load_root(root, 0, Pcid::KERNEL, false);
    crate::tlb::enable_pcids();
    isolated::init();
    crate::descriptors::isolate();
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
        current[index(phys::DIRECT_MAP + start, 1)].store(
            start | kernel_bits(rights) | Flags::HUGE_PAGE.bits(),
            Relaxed,
        );
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
        .store(frame | kernel_bits(rights), Relaxed);
}
