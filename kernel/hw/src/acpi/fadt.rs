//! The fixed ACPI description table (5.2.9), as far as the power-management timer goes.

use super::Memory;
use super::tables::Table;
use crate::clock::PmTimer;

const PM_TMR_BLK: u64 = 76;
const PM_TMR_LEN: u64 = 91;
const FLAGS: u64 = 112;
const X_PM_TMR_BLK: u64 = 208;

/// In the flags: the timer has 32 bits.
const TMR_VAL_EXT: u32 = 1 << 8;
/// In the flags: hardware-reduced ACPI, which has no such timer.
const HW_REDUCED: u32 = 1 << 20;
/// The address space of I/O ports in a generic address (5.2.3.2).
const SYSTEM_IO: u8 = 1;

/// The timer's port, if the table names one that is a port.
pub fn pm_timer(memory: &dyn Memory, table: Table) -> Option<PmTimer> {
    let flags = u32::from_le_bytes(table.bytes(memory, FLAGS)?);
    let [length] = table.bytes(memory, PM_TMR_LEN)?;
    if flags & HW_REDUCED != 0 || length != 4 {
        return None;
    }
    let port = wide_port(memory, table).or_else(|| {
        table
            .bytes(memory, PM_TMR_BLK)
            .map(u32::from_le_bytes)
            .map(u64::from)
    })?;
    let port = u16::try_from(port).ok().filter(|port| *port != 0)?;
    Some(PmTimer {
        port,
        wide: flags & TMR_VAL_EXT != 0,
    })
}

/// The address in the newer field, which counts wherever it is not 0.
fn wide_port(memory: &dyn Memory, table: Table) -> Option<u64> {
    let [space] = table.bytes(memory, X_PM_TMR_BLK)?;
    let address = u64::from_le_bytes(table.bytes(memory, X_PM_TMR_BLK + 4)?);
    (space == SYSTEM_IO && address != 0).then_some(address)
}
