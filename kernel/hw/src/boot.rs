//! From power-on to Rust: the ways in, and what the host told the kernel.
//!
//! The kernel's file has two doors. A PVH loader (QEMU's `-kernel`) finds the address of one in an
//! ELF note, a multiboot2 loader (GRUB, on a disk that a BIOS, UEFI or another emulator starts)
//! finds the other in a header. Both enter in 32-bit protected mode without paging, with EBX pointing
//! at what they have to say. The code here maps the first 4 GiB at 0 and in the direct map, and the
//! first of them at the kernel's address, enters long mode and calls Rust. The application
//! processors later pass through the same tables.

mod multiboot2;
#[cfg(target_os = "none")]
mod pvh;
mod regions;

pub(crate) use regions::MAX_REGIONS;
pub use regions::{Region, Regions};

/// What the entry code passes on where the door was PVH's, which leaves nothing in EAX.
#[cfg(target_os = "none")]
const BY_PVH: u32 = 0;

/// The way by which the kernel was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// A PVH loader's: QEMU's `-kernel`.
    Pvh,
    /// A multiboot2 loader's: GRUB.
    Multiboot2,
}

impl Door {
    /// The name by which people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Door::Pvh => "PVH",
            Door::Multiboot2 => "multiboot2",
        }
    }
}

/// What the kernel was started with, whichever the door.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// How it came in.
    pub door: Door,
    /// The memory map.
    regions: Regions,
    /// The words after the kernel's name, or empty.
    pub command_line: &'static str,
    /// The module that came along, or empty.
    pub initrd: &'static [u8],
    /// Where the initrd and what else of the loader's is still read lie, so that their frames are
    /// not given out.
    pub kept: [Region; 2],
    /// Where the ACPI tables begin, 0 if the loader did not say.
    pub rsdp: u64,
}

impl BootInfo {
    /// The memory map, as the loader ordered it.
    pub fn regions(&self) -> &[Region] {
        self.regions.as_slice()
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

/// Where the entry code jumps once it is in long mode at the kernel's address: with what the loader left
/// in EAX, or [`BY_PVH`], and in EBX.
#[cfg(target_os = "none")]
#[unsafe(no_mangle)]
extern "C" fn boot_start(magic: u32, information: u64) -> ! {
    unsafe extern "Rust" {
        fn kernel_main(boot: BootInfo) -> !;
    }
    crate::percpu::install_boot();
    let boot = match magic {
        // SAFETY: the entry code passes EBX on untouched, and this is what the PVH door passes as
        // magic.
        BY_PVH => unsafe { pvh::read(information) },
        // SAFETY: as above; which door it was is what the magic says.
        _ => unsafe { multiboot2::read(magic, information) },
    };
    // SAFETY: `entry_point` defines it, with this signature; it is called once.
    unsafe { kernel_main(boot) }
}

#[cfg(target_os = "none")]
core::arch::global_asm!(include_str!("boot.s"));

#[cfg(target_os = "none")]
unsafe extern "C" {
    static boot_pml4: u8;
}

/// The physical address of the tables that map the first 4 GiB at 0 and in the direct map, and the
/// kernel at its address. It fits 32 bits: the trampoline loads it in protected mode.
#[cfg(target_os = "none")]
pub(crate) fn bring_up_tables() -> u32 {
    // The symbol is linked at its physical address.
    (&raw const boot_pml4) as u32
}
