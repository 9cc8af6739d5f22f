//! What the firmware's ACPI tables say about processors and interrupt controllers.
//!
//! Tables are read byte by byte through [`Memory`], never trusted: a length too short or too long,
//! an address where nothing is, a checksum that does not add up ends the reading of that table, and
//! [`Platform::source`] says what was missing. Sections named below are those of ACPI 6.5.

mod fadt;
mod list;
mod madt;
mod memory;
mod tables;

pub use list::List;
pub use memory::Memory;

use crate::apic;
use crate::clock::PmTimer;
use core::fmt;
use memory::DirectMap;

/// The most processors that are kept; see [`shootdown::MAX_CPUS`].
pub const MAX_PROCESSORS: usize = shootdown::MAX_CPUS;
/// Where local APICs are unless somebody says otherwise.
pub const DEFAULT_LOCAL_APIC: u64 = 0xfee0_0000;

/// A processor, as the tables describe it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Processor {
    /// Its hardware APIC id.
    pub id: u32,
    /// It is there and can be started.
    pub enabled: bool,
    /// It is not there, but could be plugged in.
    pub online_capable: bool,
}

/// An I/O APIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IoApic {
    /// Its own APIC id.
    pub id: u8,
    /// The physical address of its registers.
    pub address: u64,
    /// The global number of its first input.
    pub first_input: u32,
}

/// An ISA interrupt line that is not wired to the I/O APIC input of the same number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Override {
    /// The ISA line, 0 to 15.
    pub irq: u8,
    /// The global input that it is wired to.
    pub input: u32,
    /// Polarity and trigger mode, as the table has them (5.2.12.5).
    pub flags: u16,
}

/// Where a [`Platform`] comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The MADT.
    Madt,
    /// There is no RSDP: no ACPI here. Only the boot CPU is known.
    NoRsdp,
    /// There is an RSDP but no list of tables that can be read. Only the boot CPU is known.
    NoRoot,
    /// The list of tables names no valid MADT. Only the boot CPU is known.
    NoMadt,
    /// The MADT names no processor that is enabled. Only the boot CPU is known.
    NoProcessor,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Madt => "ACPI MADT",
            Source::NoRsdp => "no ACPI: boot CPU only",
            Source::NoRoot => "no readable ACPI RSDT or XSDT: boot CPU only",
            Source::NoMadt => "no valid ACPI MADT: boot CPU only",
            Source::NoProcessor => "no enabled processor in the ACPI MADT: boot CPU only",
        })
    }
}

/// The machine's processors and interrupt controllers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Platform {
    /// The processors in the order of the table, each id once; never empty.
    pub processors: List<Processor, MAX_PROCESSORS>,
    /// The physical address of the local APICs' registers.
    pub local_apic: u64,
    /// The I/O APICs.
    pub io_apics: List<IoApic, 8>,
    /// Rewired ISA lines.
    pub overrides: List<Override, 16>,
    /// There are two 8259s.
    pub pcat_compat: bool,
    /// The power-management timer.
    pub pm_timer: Option<PmTimer>,
    /// Where all this comes from.
    pub source: Source,
}

impl Platform {
    /// A machine of which only the boot CPU, with APIC id `id`, is known.
    fn boot_cpu_only(id: u32, source: Source) -> Self {
        let mut processors = List::default();
        processors.push(Processor {
            id,
            enabled: true,
            online_capable: false,
        });
        Platform {
            processors,
            local_apic: DEFAULT_LOCAL_APIC,
            io_apics: List::default(),
            overrides: List::default(),
            pcat_compat: true,
            pm_timer: None,
            source,
        }
    }
}

/// Reads the tables of this machine.
///
/// `rsdp` is where the loader says they begin, 0 if it does not say: then the BIOS's places are
/// searched. `mapped(start, length)` says whether the direct map shows those physical bytes; what
/// it denies is not read. Where ACPI gives no processors the boot CPU is the only one, and
/// [`Platform::source`] says why.
pub fn discover(rsdp: u64, mapped: &dyn Fn(u64, u64) -> bool) -> Platform {
    read(&DirectMap::new(mapped), rsdp, apic::initial_id())
}

/// [`discover`] in any memory; `boot_id` is the boot CPU's APIC id.
fn read(memory: &dyn Memory, rsdp: u64, boot_id: u32) -> Platform {
    let alone = |source| Platform::boot_cpu_only(boot_id, source);
    let Some(rsdp) = tables::find_rsdp(memory, rsdp) else {
        return alone(Source::NoRsdp);
    };
    let Some(root) = tables::Root::open(memory, &rsdp) else {
        return alone(Source::NoRoot);
    };
    let pm_timer = root
        .find(memory, *b"FACP")
        .and_then(|table| fadt::pm_timer(memory, table));
    let mut platform = match root.find(memory, *b"APIC") {
        Some(table) => madt::read(memory, table, alone(Source::NoProcessor)),
        None => alone(Source::NoMadt),
    };
    platform.pm_timer = pm_timer;
    platform
}

#[cfg(test)]
mod tests;
