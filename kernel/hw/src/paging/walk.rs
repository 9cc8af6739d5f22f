//! What the kernel's half of the page tables maps, for those who check it.

use super::{ADDRESS, Flags, KERNEL_ROOT, table};
use core::ops::RangeInclusive;
use core::sync::atomic::Ordering::Acquire;

/// A page of the kernel's half, of any size, with the rights that all levels together leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Its first address.
    pub address: u64,
    /// The physical address it leads to.
    pub physical: u64,
    /// Its size: 4 KiB, 2 MiB or 1 GiB.
    pub bytes: u64,
    /// What it allows.
    pub allows: Allows,
}

/// What a page allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allows {
    /// Writing.
    pub write: bool,
    /// Executing.
    pub execute: bool,
    /// Either of them, and reading, in ring 3.
    pub user: bool,
}

impl Allows {
    /// What is left when `entry` has its say too (SDM vol. 3A, 4.6).
    fn and(self, entry: Flags) -> Allows {
        Allows {
            write: self.write && entry.contains(Flags::WRITABLE),
            execute: self.execute && !entry.contains(Flags::NO_EXECUTE),
            user: self.user && entry.contains(Flags::USER_ACCESSIBLE),
        }
    }
}

/// Visits every page of the kernel's half that has an address in `range`, lowest first. Pages that
/// are mapped at this moment may be left out.
pub fn kernel_mappings(range: RangeInclusive<u64>, mut visit: impl FnMut(Mapping)) {
    let root = *KERNEL_ROOT.lock();
    let everything = Allows {
        write: true,
        execute: true,
        user: true,
    };
    // The first of the upper half's 256 entries; the sign extends.
    for position in 256..512 {
        let start = 0xffff_0000_0000_0000 | (position as u64) << 39;
        descend(
            Place {
                table: root,
                position,
                level: 3,
                start,
            },
            everything,
            &range,
            &mut visit,
        );
    }
}

/// An entry, by where it is and which addresses it stands for.
#[derive(Clone, Copy)]
struct Place {
    table: u64,
    position: usize,
    level: u32,
    start: u64,
}

fn descend(
    place: Place,
    allowed: Allows,
    range: &RangeInclusive<u64>,
    visit: &mut dyn FnMut(Mapping),
) {
    let bits = table(place.table)[place.position].load(Acquire);
    let flags = Flags::from_bits_truncate(bits);
    let bytes = 1_u64 << (12 + 9 * place.level);
    let outside = place.start > *range.end() || place.start + (bytes - 1) < *range.start();
    if outside || !flags.contains(Flags::PRESENT) {
        return;
    }
    let allows = allowed.and(flags);
    if place.level == 0 || flags.contains(Flags::HUGE_PAGE) {
        visit(Mapping {
            address: place.start,
            physical: bits & ADDRESS & !(bytes - 1),
            bytes,
            allows,
        });
        return;
    }
    for position in 0..512 {
        let start = place.start + position as u64 * (bytes >> 9);
        descend(
            Place {
                table: bits & ADDRESS,
                position,
                level: place.level - 1,
                start,
            },
            allows,
            range,
            visit,
        );
    }
}
