//! From power-on to Rust: the PVH entry, and what the host told the kernel.
//!
//! A PVH loader enters in 32-bit protected mode without paging, with EBX pointing at the start
//! information (Xen's `arch-x86/hvm/start_info.h`). The code here maps the first gigabyte three
//! times (at 0, in the direct map, at the kernel's address), enters long mode and calls Rust.
//! The application processors later pass through the same tables.

#[cfg(target_os = "none")]
use {crate::phys, core::slice, x86_64::PhysAddr};

/// What `magic` in the start information must be.
const START_MAGIC: u32 = 0x336e_c578;
/// A memory-map entry of this type is RAM (the numbering of ACPI's E820 types).
const E820_RAM: u32 = 1;
/// The most memory-map entries that are kept; more are refused.
const MAX_REGIONS: usize = 64;

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

/// A stretch of physical memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Region {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Whether it is RAM that the firmware does not claim.
    pub usable: bool,
}

/// What the kernel was started with.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    regions: [Region; MAX_REGIONS],
    region_count: usize,
    /// The words after the kernel's name, or empty.
    pub command_line: &'static str,
    /// The module that came along, or empty.
    pub initrd: &'static [u8],
    /// Where the initrd lies, so that its frames are not given out.
    pub initrd_region: Region,
    /// Where the ACPI tables begin, 0 if the loader did not say.
    pub rsdp: u64,
}

impl BootInfo {
    /// The memory map, as the loader ordered it.
    pub fn regions(&self) -> &[Region] {
        &self.regions[..self.region_count]
    }
}

/// Reads the start information at physical `address`.
///
/// # Safety
/// `address` is what the PVH loader left in EBX: a valid `hvm_start_info` whose pointers are valid
/// and lie in the first gigabyte, and that nothing writes to any more.
#[cfg(target_os = "none")]
unsafe fn read_start_info(address: u64) -> BootInfo {
    // SAFETY: the caller passes the loader's pointer.
    let info: StartInfo = unsafe { read(address, 0) };
    assert!(
        info.magic == START_MAGIC,
        "not started by PVH: the start information has magic {:#x}",
        info.magic
    );
    let mut boot = BootInfo {
        regions: [Region::default(); MAX_REGIONS],
        region_count: 0,
        command_line: "",
        initrd: &[],
        initrd_region: Region::default(),
        rsdp: info.rsdp,
    };
    let count = info.memory_map_entries as usize;
    assert!(
        count <= MAX_REGIONS,
        "the memory map has {count} entries, at most {MAX_REGIONS} are kept"
    );
    for (index, region) in boot.regions[..count].iter_mut().enumerate() {
        // SAFETY: the loader promises that many entries.
        let entry: MemoryMapEntry = unsafe { read(info.memory_map, index) };
        *region = Region {
            start: entry.address,
            end: entry.address.saturating_add(entry.size),
            usable: entry.kind == E820_RAM,
        };
    }
    boot.region_count = count;
    if info.command_line != 0 {
        // SAFETY: the loader promises a NUL-terminated string there; it is never written again.
        let text = unsafe {
            core::ffi::CStr::from_ptr(phys::map(PhysAddr::new(info.command_line)).as_ptr())
        };
        boot.command_line = text.to_str().unwrap_or("");
    }
    if info.module_count > 0 {
        // SAFETY: the loader promises `module_count` entries at `modules`.
        let module: Module = unsafe { read(info.modules, 0) };
        // SAFETY: the loader promises the module's bytes; `frames` leaves its frames out, so
        // nothing writes to them.
        boot.initrd = unsafe {
            slice::from_raw_parts(
                phys::map(PhysAddr::new(module.address)).as_ptr(),
                module.size as usize,
            )
        };
        boot.initrd_region = Region {
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
#[cfg(target_os = "none")]
unsafe fn read<T>(address: u64, index: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe {
        phys::map(PhysAddr::new(address))
            .as_ptr::<T>()
            .add(index)
            .read_unaligned()
    }
}

/// Says what a kernel's program does with the machine that the entry code hands over: on the first CPU's
/// boot stack, with interrupts off. Once in a program, which is linked at the addresses of
/// `kernel/link.ld`.
///
/// `hw::entry_point!(|boot| run(boot))`: `boot` is a [`BootInfo`], and what is run never returns.
#[macro_export]
macro_rules! entry_point {
    (|$boot:ident| $run:expr) => {
        #[allow(
            unsafe_code,
            reason = "the symbol that the entry code calls, of the type that it is called by"
        )]
        #[unsafe(no_mangle)]
        fn kernel_main($boot: $crate::boot::BootInfo) -> ! {
            $run
        }
    };
}

/// Where the entry code jumps once it is in long mode at the kernel's address.
#[cfg(target_os = "none")]
#[unsafe(no_mangle)]
extern "C" fn boot_start(start_info: u64) -> ! {
    unsafe extern "Rust" {
        fn kernel_main(boot: BootInfo) -> !;
    }
    crate::percpu::install_boot();
    // SAFETY: the entry code passes EBX on untouched.
    let boot = unsafe { read_start_info(start_info) };
    // SAFETY: `entry_point` defines it, with this signature; it is called once.
    unsafe { kernel_main(boot) }
}

#[cfg(target_os = "none")]
core::arch::global_asm!(include_str!("boot.s"));

#[cfg(target_os = "none")]
unsafe extern "C" {
    static boot_pml4: u8;
}

/// The physical address of the tables that map the first gigabyte at 0, in the direct map and at
/// the kernel's address. It fits 32 bits: the trampoline loads it in protected mode.
#[cfg(target_os = "none")]
pub(crate) fn bring_up_tables() -> u32 {
    // The symbol is linked at its physical address.
    (&raw const boot_pml4) as u32
}
