//! The multiple APIC description table (5.2.12).

use super::tables::{HEADER, Table};
use super::{IoApic, Memory, Override, Platform, Processor, Source};

/// Behind the header: the local APICs' address and the flags.
const ADDRESS: u64 = HEADER;
const FLAGS: u64 = HEADER + 4;
const ENTRIES: u64 = HEADER + 8;
/// In the flags: there are two 8259s.
const PCAT_COMPAT: u32 = 1 << 0;

/// In a processor's flags.
const ENABLED: u32 = 1 << 0;
const ONLINE_CAPABLE: u32 = 1 << 1;

/// What `table` says. `otherwise` is returned, with the interrupt controllers filled in, if it names
/// no enabled processor.
pub fn read(memory: &dyn Memory, table: Table, otherwise: Platform) -> Platform {
    let mut platform = otherwise;
    platform.processors = Default::default();
    if let Some(address) = table.bytes(memory, ADDRESS) {
        platform.local_apic = u64::from(u32::from_le_bytes(address));
    }
    if let Some(flags) = table.bytes(memory, FLAGS) {
        platform.pcat_compat = u32::from_le_bytes(flags) & PCAT_COMPAT != 0;
    }
    let mut offset = ENTRIES;
    while let Some([kind, length]) = table.bytes(memory, offset) {
        // A length below its own two bytes would stand still.
        if length < 2 || offset + u64::from(length) > table.length {
            break;
        }
        let entry = Table {
            address: table.address + offset,
            length: u64::from(length),
        };
        // An entry too short for its kind is passed over.
        let _ = read_entry(memory, kind, entry, &mut platform);
        offset += entry.length;
    }
    if platform
        .processors
        .iter()
        .any(|processor| processor.enabled)
    {
        platform.source = Source::Madt;
    } else {
        platform.processors = otherwise.processors;
    }
    platform
}

/// Adds one entry, if it is of a kind that matters and long enough.
fn read_entry(memory: &dyn Memory, kind: u8, entry: Table, platform: &mut Platform) -> Option<()> {
    let byte = |offset| entry.bytes(memory, offset).map(|[byte]: [u8; 1]| byte);
    let word = |offset| entry.bytes(memory, offset).map(u16::from_le_bytes);
    let double = |offset| entry.bytes(memory, offset).map(u32::from_le_bytes);
    match kind {
        // Processor local APIC; 255 is the broadcast and names nobody.
        0 => {
            let id = byte(3)?;
            if id != u8::MAX {
                add_processor(platform, u32::from(id), double(4)?);
            }
        }
        1 => platform.io_apics.push(IoApic {
            id: byte(2)?,
            address: u64::from(double(4)?),
            first_input: double(8)?,
        }),
        2 => platform.overrides.push(Override {
            irq: byte(3)?,
            input: double(4)?,
            flags: word(8)?,
        }),
        // Local APIC address override.
        5 => platform.local_apic = entry.bytes(memory, 4).map(u64::from_le_bytes)?,
        // Processor local x2APIC.
        9 => {
            let id = double(4)?;
            if id != u32::MAX {
                add_processor(platform, id, double(8)?);
            }
        }
        _ => {}
    }
    Some(())
}

/// Adds a processor that is there or may come, unless its id is known: firmware may list it as
/// local APIC and as local x2APIC.
fn add_processor(platform: &mut Platform, id: u32, flags: u32) {
    let enabled = flags & ENABLED != 0;
    // The second flag means something only without the first.
    let online_capable = !enabled && flags & ONLINE_CAPABLE != 0;
    let known = platform
        .processors
        .iter()
        .any(|processor| processor.id == id);
    if (enabled || online_capable) && !known {
        platform.processors.push(Processor {
            id,
            enabled,
            online_capable,
        });
    }
}
