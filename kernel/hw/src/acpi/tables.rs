//! From the root pointer to a table: RSDP (5.2.5), RSDT and XSDT (5.2.7, 5.2.8), headers (5.2.6).

use super::Memory;

/// Every table begins with so many bytes: signature, length, revision, checksum and names.
pub const HEADER: u64 = 36;
/// No table that is read here is longer: more is taken for garbage.
const LONGEST: u64 = 1 << 20;
/// The most entries of a root table that are looked at.
const MOST_TABLES: u64 = 256;

/// A table whose signature was the one looked for and whose bytes add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// The physical address of its header.
    pub address: u64,
    /// Its length with the header, at least [`HEADER`].
    pub length: u64,
}

impl Table {
    /// The table at `address`, if it is a valid one with that signature.
    pub fn open(memory: &dyn Memory, address: u64, signature: [u8; 4]) -> Option<Table> {
        if memory.bytes::<4>(address, 0)? != signature {
            return None;
        }
        let length = u64::from(memory.u32(address, 4)?);
        let valid = (HEADER..=LONGEST).contains(&length) && memory.adds_up(address, length);
        valid.then_some(Table { address, length })
    }

    /// `N` bytes at `offset`, if the table is that long.
    pub fn bytes<const N: usize>(&self, memory: &dyn Memory, offset: u64) -> Option<[u8; N]> {
        let end = offset.checked_add(N as u64)?;
        if end > self.length {
            return None;
        }
        memory.bytes(self.address, offset)
    }
}

/// What a valid RSDP says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rsdp {
    rsdt: u64,
    /// 0 in ACPI 1.0.
    xsdt: u64,
}

/// The valid RSDP at `hint`, if that is not 0, else the first one in the BIOS's places (5.2.5.1).
pub fn find_rsdp(memory: &dyn Memory, hint: u64) -> Option<Rsdp> {
    if hint != 0
        && let Some(rsdp) = rsdp_at(memory, hint)
    {
        return Some(rsdp);
    }
    // The BIOS data area names the segment of the extended one, whose first KiB is searched.
    let ebda = memory
        .bytes(0x40e, 0)
        .map_or(0, |segment| u64::from(u16::from_le_bytes(segment)) << 4);
    let in_ebda = if ebda >= 0x400 {
        ebda..ebda + 0x400
    } else {
        0..0
    };
    in_ebda
        .step_by(16)
        .chain((0xe_0000..0x10_0000).step_by(16))
        .find_map(|address| rsdp_at(memory, address))
}

fn rsdp_at(memory: &dyn Memory, address: u64) -> Option<Rsdp> {
    if memory.bytes::<8>(address, 0)? != *b"RSD PTR " || !memory.adds_up(address, 20) {
        return None;
    }
    let [revision] = memory.bytes(address, 15)?;
    let rsdt = u64::from(memory.u32(address, 16)?);
    // From revision 2 on the structure has a length, a second checksum and the wide address.
    let extended = revision >= 2 && memory.u32(address, 20)? >= 36 && memory.adds_up(address, 36);
    let xsdt = if extended {
        memory.u64(address, 24)?
    } else {
        0
    };
    Some(Rsdp { rsdt, xsdt })
}

/// The list of all tables.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    table: Table,
    /// Bytes an address has in it: 8 in an XSDT, 4 in an RSDT.
    width: u64,
}

impl Root {
    /// The XSDT, or where there is no valid one the RSDT.
    pub fn open(memory: &dyn Memory, rsdp: &Rsdp) -> Option<Root> {
        let open = |address, signature, width| {
            Table::open(memory, address, signature).map(|table| Root { table, width })
        };
        let xsdt = if rsdp.xsdt != 0 {
            open(rsdp.xsdt, *b"XSDT", 8)
        } else {
            None
        };
        xsdt.or_else(|| open(rsdp.rsdt, *b"RSDT", 4))
    }

    /// The first valid table with that signature.
    pub fn find(&self, memory: &dyn Memory, signature: [u8; 4]) -> Option<Table> {
        let count = ((self.table.length - HEADER) / self.width).min(MOST_TABLES);
        (0..count).find_map(|index| {
            let offset = HEADER + index * self.width;
            let address = if self.width == 8 {
                self.table.bytes(memory, offset).map(u64::from_le_bytes)?
            } else {
                u64::from(self.table.bytes(memory, offset).map(u32::from_le_bytes)?)
            };
            Table::open(memory, address, signature)
        })
    }
}
