//! Which word of a protocol an access was to.

use shootdown::CpuId;

/// What a word is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purpose {
    /// A target acknowledges in it.
    Slot,
    /// It begins a request.
    Head,
}

/// A word of a protocol, by what it is for and the CPUs between which it lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// What it is for.
    pub purpose: Purpose,
    /// The CPU that acknowledges in it; `None` for a request's.
    pub target: Option<CpuId>,
    /// The CPU whose request it is about; `None` if several share it.
    pub initiator: Option<CpuId>,
}

const SLOT: u64 = 1;
const HEAD: u64 = 2;
/// Bits of a CPU, and where they are: its number and 1, or 0 for none.
const CPU: u64 = 0x7f;
const TARGET: u32 = 2;
const INITIATOR: u32 = 9;

impl Place {
    /// In one small number, never 0.
    pub const fn packed(self) -> u64 {
        let purpose = match self.purpose {
            Purpose::Slot => SLOT,
            Purpose::Head => HEAD,
        };
        purpose | pack(self.target) << TARGET | pack(self.initiator) << INITIATOR
    }

    /// The place that packs to `bits`; `None` for any other number, 0 among them.
    pub const fn unpacked(bits: u64) -> Option<Place> {
        let purpose = match bits & 3 {
            SLOT => Purpose::Slot,
            HEAD => Purpose::Head,
            _ => return None,
        };
        let place = Place {
            purpose,
            target: unpack(bits >> TARGET & CPU),
            initiator: unpack(bits >> INITIATOR & CPU),
        };
        if place.packed() == bits {
            Some(place)
        } else {
            None
        }
    }
}

const fn pack(cpu: Option<CpuId>) -> u64 {
    match cpu {
        Some(cpu) => cpu.index() as u64 + 1,
        None => 0,
    }
}

const fn unpack(bits: u64) -> Option<CpuId> {
    match bits {
        0 => None,
        _ => CpuId::new(bits as usize - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_places_that_pack_to_one_number() {
        let cpus = || (0..65).map(CpuId::new);
        let mut seen = std::collections::HashSet::new();
        for purpose in [Purpose::Slot, Purpose::Head] {
            for target in cpus() {
                for initiator in cpus() {
                    let place = Place {
                        purpose,
                        target,
                        initiator,
                    };
                    assert!(place.packed() != 0 && seen.insert(place.packed()));
                    assert_eq!(Place::unpacked(place.packed()), Some(place));
                }
            }
        }
        for bits in [0, 3, 1 << 16 | 1, u64::MAX, 0x7f << 2 | 1] {
            assert_eq!(Place::unpacked(bits), None, "{bits:#x}");
        }
    }
}
