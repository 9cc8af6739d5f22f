//! What a PVH loader says: Xen's `arch-x86/hvm/start_info.h`.

use super::{BootInfo, Door, Region, Regions};
use crate::phys;
use core::slice;
use x86_64::PhysAddr;

/// What `magic` in the start information must be.
const START_MAGIC: u32 = 0x336e_c578;
/// A memory-map entry of this type is RAM (the numbering of ACPI's E820 types).
const E820_RAM: u32 = 1;

#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Reads the start information at physical `address`.
///
/// # Safety
/// `address` is what the PVH loader left in EBX: a valid `hvm_start_info` whose pointers are valid
/// and lie in the first 4 GiB, and that nothing writes to any more.
pub(super) unsafe fn read(address: u64) -> BootInfo {
    // SAFETY: the caller passes the loader's pointer.
    let info: StartInfo = unsafe { value(address, 0) };
    assert!(
        info.magic == START_MAGIC,
        "not started by PVH: the start information has magic {:#x}",
        info.magic
    );
    let mut boot = BootInfo {
        door: Door::Pvh,
        regions: Regions::default(),
        command_line: "",
        initrd: &[],
        kept: [Region::default(); 2],
        rsdp: info.rsdp,
    };
    for index in 0..info.memory_map_entries as usize {
        // SAFETY: the loader promises that many entries.
        let entry: MemoryMapEntry = unsafe { value(info.memory_map, index) };
        boot.regions.push(Region {
            start: entry.address,
            end: entry.address.saturating_add(entry.size),
            usable: entry.kind == E820_RAM,
        });
    }
    if info.command_line != 0 {
        // SAFETY: the loader promises a NUL-terminated string there; it is never written again.
        let text = unsafe {
            core::ffi::CStr::from_ptr(phys::map(PhysAddr::new(info.command_line)).as_ptr())
        };
        boot.command_line = text.to_str().unwrap_or("");
    }
    if info.module_count > 0 {
        // SAFETY: the loader promises `module_count` entries at `modules`.
        let module: Module = unsafe { value(info.modules, 0) };
        // SAFETY: the loader promises the module's bytes; `frames` leaves its frames out, so
        // nothing writes to them.
        boot.initrd = unsafe {
            slice::from_raw_parts(
                phys::map(PhysAddr::new(module.address)).as_ptr(),
                module.size as usize,
            )
        };
        boot.kept[0] = Region {
            start: module.address,
            end: module.address + module.size,
            usable: false,
        };
    }
    boot
}

/// The value at `index` of an array at physical `address`, which some loaders do not align.
///
/// # Safety
/// It is there, initialised, in the direct map.
unsafe fn value<T>(address: u64, index: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe {
        phys::map(PhysAddr::new(address))
            .as_ptr::<T>()
            .add(index)
            .read_unaligned()
    }
}
