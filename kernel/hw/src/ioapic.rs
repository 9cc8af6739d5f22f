//! The I/O APIC, for one line: one whose interrupt must be taken whatever the CPU is doing.
//!
//! The other lines of the ISA bus come through the 8259s.

use crate::acpi::Platform;
use crate::phys;
use x86_64::PhysAddr;

/// The register that selects which one [`WINDOW`] shows, and that one (82093AA data sheet, 3.1).
const SELECT: u64 = 0;
const WINDOW: u64 = 0x10;
/// The first redirection entry; two registers each.
const REDIRECTION: u32 = 0x10;
/// In an entry: deliver as NMI, on an edge, to one APIC id.
const NMI: u32 = 0b100 << 8;

/// No I/O APIC has the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoIoApic;

/// Has ISA line `irq` raise an NMI on the CPU with APIC id `id`, each time that it rises.
///
/// # Errors
/// [`NoIoApic`]; also for an id that takes more than eight bits.
pub fn route_as_nmi(platform: &Platform, irq: u8, id: u32) -> Result<(), NoIoApic> {
    let id = u8::try_from(id).map_err(|_| NoIoApic)?;
    let rewired = platform.overrides.iter().find(|rule| rule.irq == irq);
    let input = rewired.map_or(u32::from(irq), |rule| rule.input);
    let io_apic = platform
        .io_apics
        .iter()
        .filter(|io_apic| io_apic.first_input <= input && io_apic.address < 4 << 30)
        .max_by_key(|io_apic| io_apic.first_input)
        .ok_or(NoIoApic)?;
    let entry = REDIRECTION + 2 * (input - io_apic.first_input);
    // The half that says where to, while the other still has it masked, as a reset leaves it.
    write(io_apic.address, entry + 1, u32::from(id) << 24);
    write(io_apic.address, entry, NMI);
    Ok(())
}

fn write(io_apic: u64, register: u32, value: u32) {
    let base = phys::map(PhysAddr::new(io_apic)).as_u64();
    // SAFETY: the firmware's tables say that an I/O APIC is there, below 4 GiB, which the direct
    // map shows uncached. Its redirection entries decide which interrupts come: those have handlers.
    unsafe {
        ((base + SELECT) as *mut u32).write_volatile(register);
        ((base + WINDOW) as *mut u32).write_volatile(value);
    }
}
