//! What a multiboot2 loader says: the boot information of the Multiboot2 specification, 3.6.

use super::{BootInfo, Door, Region, Regions};
use crate::phys::DIRECT_MAP;
use core::slice;
use multiboot2::{BootInformation, MAGIC, MemoryAreaType};

/// Reads the boot information at physical `address`, on the word of `magic`.
///
/// # Safety
/// `magic` and `address` are what the loader left in EAX and EBX. If the first is a multiboot2
/// loader's, the second is the address of a valid boot information, which like the module that it names
/// lies in the first 4 GiB and is never written to any more.
///
/// # Panics
/// If it was no multiboot2 loader, or says nothing that can be read.
#[cfg(target_os = "none")]
pub(super) unsafe fn read(magic: u32, address: u64) -> BootInfo {
    assert!(
        magic == MAGIC,
        "started neither by PVH nor by multiboot2: EAX held {magic:#x}"
    );
    // SAFETY: the direct map shows the first 4 GiB; the rest is the caller's word.
    let information = unsafe { BootInformation::load((DIRECT_MAP + address) as *const _) };
    match information {
        // SAFETY: as above.
        Ok(information) => unsafe { boot_info(&information, DIRECT_MAP) },
        Err(error) => panic!("the loader's multiboot2 information cannot be read: {error}"),
    }
}

/// What the kernel keeps of `information`, which lies where `base` shows physical memory.
///
/// # Safety
/// The information is never written to any more. The module it names is at its address on top of `base`,
/// and is never written to either.
unsafe fn boot_info(information: &BootInformation<'_>, base: u64) -> BootInfo {
    let start = information.start_address() as u64 - base;
    let mut boot = BootInfo {
        door: Door::Multiboot2,
        regions: Regions::default(),
        command_line: "",
        initrd: &[],
        kept: [Region::default(); 2],
        rsdp: 0,
    };
    boot.kept[1] = Region {
        start,
        end: start + information.total_size() as u64,
        usable: false,
    };
    let map = information
        .memory_map_tag()
        .expect("a memory map from the multiboot2 loader");
    for area in map.memory_areas() {
        boot.regions.push(Region {
            start: area.start_address(),
            end: area.start_address().saturating_add(area.size()),
            usable: area.typ() == MemoryAreaType::Available,
        });
    }
    if let Some(Ok(line)) = information.command_line_tag().map(|tag| tag.cmdline()) {
        // SAFETY: the bytes stay as they are for good, as the caller promises.
        boot.command_line = unsafe { &*core::ptr::from_ref(line) };
    }
    if let Some(module) = information.module_tags().next() {
        let (start, end) = (module.start_address().into(), module.end_address().into());
        // SAFETY: the caller promises the module's bytes; `frames` leaves its frames out, so nothing
        // writes to them.
        boot.initrd = unsafe {
            slice::from_raw_parts((base + start) as *const u8, module.module_size() as usize)
        };
        boot.kept[0] = Region {
            start,
            end,
            usable: false,
        };
    }
    boot.rsdp = rsdp(information).map_or(0, |address| address - base);
    boot
}

/// Where the copy of the root pointer lies, which is the part of its tag behind type and size. The wide
/// one goes first: under UEFI there are both.
fn rsdp(information: &BootInformation<'_>) -> Option<u64> {
    const BEHIND_HEADER: u64 = 8;
    let new = information
        .rsdp_v2_tag()
        .map(|tag| core::ptr::from_ref(tag).addr());
    let old = information
        .rsdp_v1_tag()
        .map(|tag| core::ptr::from_ref(tag).addr());
    new.or(old).map(|address| address as u64 + BEHIND_HEADER)
}
