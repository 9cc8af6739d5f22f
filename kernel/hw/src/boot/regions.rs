//! The memory map.

/// The most stretches that are kept; more are refused. UEFI's maps are long, but what lies side by side
/// and is of one kind is one stretch here.
pub(crate) const MAX_REGIONS: usize = 128;

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

/// The memory map, in the loader's order.
#[derive(Clone, Copy, Debug)]
pub struct Regions {
    list: [Region; MAX_REGIONS],
    count: usize,
}

impl Default for Regions {
    fn default() -> Self {
        Regions {
            list: [Region::default(); MAX_REGIONS],
            count: 0,
        }
    }
}

impl Regions {
    /// Those that there are.
    pub fn as_slice(&self) -> &[Region] {
        &self.list[..self.count]
    }

    /// Adds `next`, to the last one where it goes on with it.
    ///
    /// # Panics
    /// If there are too many.
    pub(super) fn push(&mut self, next: Region) {
        if let Some(last) = self.list[..self.count].last_mut()
            && last.end == next.start
            && last.usable == next.usable
        {
            last.end = next.end;
            return;
        }
        assert!(
            self.count < MAX_REGIONS,
            "the memory map has more than {MAX_REGIONS} stretches, and no more are kept"
        );
        self.list[self.count] = next;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64, usable: bool) -> Region {
        Region { start, end, usable }
    }

    #[test]
    fn uefi_s_many_neighbours_filling_the_map() {
        let mut regions = Regions::default();
        for page in 0..1000 {
            regions.push(region(page << 12, (page + 1) << 12, true));
        }
        regions.push(region(1000 << 12, 1001 << 12, false));
        regions.push(region(1002 << 12, 1003 << 12, false));
        let expected = [
            region(0, 1000 << 12, true),
            region(1000 << 12, 1001 << 12, false),
            region(1002 << 12, 1003 << 12, false),
        ];
        assert_eq!(regions.as_slice(), expected);
    }
}
