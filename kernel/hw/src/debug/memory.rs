//! Memory by any address, without a fault: the page tables are walked by hand, so what a TLB holds
//! plays no part.

use crate::boot::{BootInfo, MAX_REGIONS, Region};
use crate::paging::{alias, table};
use crate::phys::{self, PAGE_SIZE};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use spin::Once;
use x86_64::PhysAddr;
use x86_64::structures::paging::PageTableFlags as Flags;

/// The machine's RAM.
static RAM: Once<([Region; MAX_REGIONS], usize)> = Once::new();

/// Below this the direct map shows everything, devices included.
const DEVICES_END: u64 = 4 << 30;

/// Notes where RAM is. Once.
pub(super) fn init(boot: &BootInfo) {
    let mut ram = [Region::default(); MAX_REGIONS];
    let mut count = 0;
    for region in boot.regions().iter().filter(|region| region.usable) {
        ram[count] = *region;
        count += 1;
    }
    RAM.call_once(|| (ram, count));
}

/// Whether physical `range` is all RAM that the direct map shows.
fn is_ram(range: Range<u64>) -> bool {
    RAM.get().is_some_and(|(ram, count)| {
        ram[..*count]
            .iter()
            .any(|ram| ram.start <= range.start && range.end <= ram.end.min(phys::LIMIT))
    })
}

/// Whether bits 63 to 47 of `address` are equal (SDM vol. 1, 3.3.7.1).
pub fn is_canonical(address: u64) -> bool {
    matches!(address >> 47, 0 | 0x1_ffff)
}

/// The physical address that `address` leads to in the tables whose top is at physical `root`, if it
/// is mapped and canonical.
///
/// Whatever the tables hold, only RAM is taken for a table.
pub fn translate(root: u64, address: u64) -> Option<u64> {
    if !is_canonical(address) {
        return None;
    }
    let mut table = root & table::ADDRESS_BITS;
    for level in (0..4).rev() {
        if !is_ram(table..table + PAGE_SIZE) {
            return None;
        }
        let entry = table::entry(table, table::index(address, level)).load(SeqCst);
        let flags = Flags::from_bits_truncate(entry);
        if !flags.contains(Flags::PRESENT) {
            return None;
        }
        let bytes = 1_u64 << (12 + 9 * level);
        let physical = entry & table::ADDRESS_BITS;
        if level == 0 || (level < 3 && flags.contains(Flags::HUGE_PAGE)) {
            return Some((physical & !(bytes - 1)) + address % bytes);
        }
        table = physical;
    }
    None
}

/// What a read through this CPU's TLB found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probed {
    /// Whether the TLB held the page: the walker did not mark the entry.
    pub hit: bool,
    /// The word.
    pub value: u64,
}

/// Reads the word at `address`, a multiple of 8, through this CPU's TLB, and tells whether that held
/// the page, by the accessed bit. `None` if the page is not mapped now: then nothing is read, since
/// the read could fault. While the other CPUs stand still.
pub fn probe(address: u64) -> Option<Probed> {
    if !address.is_multiple_of(8) {
        return None;
    }
    let entry = leaf(crate::tlb::root(), address)?;
    let accessed = Flags::ACCESSED.bits();
    let before = entry.fetch_and(!accessed, SeqCst) & accessed;
    let value = crate::probe::read(address).ok();
    let after = entry.fetch_or(before, SeqCst) & accessed;
    Some(Probed {
        hit: after == 0,
        value: value?,
    })
}

/// The entry that maps `address` in the tables at `root`, of whatever level.
fn leaf(root: u64, address: u64) -> Option<&'static AtomicU64> {
    translate(root, address)?;
    let mut table = root & table::ADDRESS_BITS;
    for level in (0..4).rev() {
        let entry = table::entry(table, table::index(address, level));
        let bits = entry.load(SeqCst);
        if level == 0 || Flags::from_bits_truncate(bits).contains(Flags::HUGE_PAGE) {
            return Some(entry);
        }
        table = bits & table::ADDRESS_BITS;
    }
    None
}

/// Reads physical memory from `physical` on. Returns how many bytes of `buffer` were read: all up to
/// the end of what the direct map shows. Devices are read in aligned words of four bytes.
pub fn read(physical: u64, buffer: &mut [u8]) -> usize {
    let end = physical.saturating_add(buffer.len() as u64);
    if is_ram(physical..end) {
        let start = phys::map(PhysAddr::new(physical)).as_u64();
        for (byte, address) in buffer.iter_mut().zip(start..) {
            // SAFETY: RAM, which the direct map shows readable for as long as the kernel runs.
            // Volatile: it may be anybody's, a page walker's too.
            *byte = unsafe { (address as *const u8).read_volatile() };
        }
        return buffer.len();
    }
    let mut done = 0;
    for (byte, address) in buffer.iter_mut().zip(physical..) {
        let Some(read) = read_byte(address) else {
            break;
        };
        *byte = read;
        done += 1;
    }
    done
}

/// One byte, of RAM or of a device.
fn read_byte(physical: u64) -> Option<u8> {
    if physical >= DEVICES_END && !is_ram(physical..physical.checked_add(1)?) {
        return None;
    }
    let aligned = physical & !3;
    let address = phys::map(PhysAddr::new(aligned)).as_u64();
    // SAFETY: the direct map shows the first 4 GiB and all RAM, readable.
    let word = unsafe { (address as *const u32).read_volatile() };
    Some(word.to_le_bytes()[(physical % 4) as usize])
}

/// Writes RAM from `physical` on, read-only text and page tables too, because a person at the debugger
/// says so. Returns whether all of it is RAM; nothing is written otherwise. One caller at a time.
///
/// No TLB is told.
// Among the text that has no breakpoints: one in the middle of a write, met by that write, would
// end it.
#[unsafe(link_section = ".text.entry")]
#[inline(never)]
pub fn write(physical: u64, bytes: &[u8]) -> bool {
    let end = physical.saturating_add(bytes.len() as u64);
    if !is_ram(physical..end) {
        return false;
    }
    let mut next = physical;
    let mut rest = bytes;
    while !rest.is_empty() {
        let fits = ((PAGE_SIZE - next % PAGE_SIZE) as usize).min(rest.len());
        let (piece, more) = rest.split_at(fits);
        // SAFETY: RAM; the person at the debugger has the last word about what it holds, and every
        // CPU that could rely on what it held is stopped.
        if !unsafe { alias::write(next, piece) } {
            return false;
        }
        next += fits as u64;
        rest = more;
    }
    true
}
