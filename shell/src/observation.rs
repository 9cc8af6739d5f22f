//! What a system saw that must not happen: broken invariants and hangs.

use core::fmt;
use shootdown::{CpuId, CpuSet};

/// The number of an invariant of the protocol, 1 to 20; shown as `I5`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Invariant(u8);

impl Invariant {
    /// How many invariants there are.
    pub const COUNT: u8 = 20;

    /// The invariant `number`; `None` for 0 and above [`COUNT`](Self::COUNT).
    pub const fn new(number: u8) -> Option<Self> {
        if 1 <= number && number <= Self::COUNT {
            Some(Invariant(number))
        } else {
            None
        }
    }

    /// Its number, from 1.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I{}", self.0)
    }
}

/// An invariant that was seen broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which, if what was seen tells: a stale read alone does not.
    pub invariant: Option<Invariant>,
    /// Where it was seen.
    pub cpu: CpuId,
    /// What was seen, as a noun phrase: `stale read`.
    pub what: &'static str,
    /// The address that it is about, if it is about one.
    pub address: Option<u64>,
}

/// A wait for other CPUs that lasted too long and was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hang {
    /// The CPU that waited.
    pub waiter: CpuId,
    /// The CPUs that it waited for; empty if it waited for a lock.
    pub culprits: CpuSet,
    /// The invariant that is probably broken, if that can be said.
    pub invariant: Option<Invariant>,
    /// What was waited for, as a noun phrase: `acknowledgement`.
    pub what: &'static str,
}

/// Something that was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// Violations of one invariant on one CPU.
    Violation {
        /// The first of them.
        first: Violation,
        /// How many they are.
        times: u64,
    },
    /// One hang.
    Hang(Hang),
}

impl Observation {
    /// Takes `other` in, if both are violations of one invariant on one CPU; returns whether.
    pub(crate) fn merge(&mut self, other: &Observation) -> bool {
        let (
            Observation::Violation { first, times },
            Observation::Violation {
                first: later,
                times: more,
            },
        ) = (self, other)
        else {
            return false;
        };
        let same = (first.invariant, first.cpu) == (later.invariant, later.cpu);
        if same {
            *times = times.saturating_add(*more);
        }
        same
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Observation::Violation { first, times } => {
                match first.invariant {
                    Some(invariant) => write!(f, "a violation of {invariant}")?,
                    None => f.write_str("a violation of no named invariant")?,
                }
                write!(f, " on CPU {}: {}", first.cpu, first.what)?;
                if let Some(address) = first.address {
                    write!(f, " at {address:#x}")?;
                }
                match times {
                    1 => Ok(()),
                    _ => write!(f, ", {times} times"),
                }
            }
            Observation::Hang(hang) => {
                write!(f, "a hang of CPU {} for {}", hang.waiter, hang.what)?;
                match hang.culprits.len() {
                    0 => {}
                    1 => write!(f, " of CPU {}", hang.culprits)?,
                    _ => write!(f, " of CPUs {}", hang.culprits)?,
                }
                hang.invariant.map_or(Ok(()), |invariant| {
                    write!(f, ", probably for want of {invariant}")
                })
            }
        }
    }
}

/// Observations in the order in which they were made, at most `N`: for where nothing can be
/// allocated. Violations of one invariant on one CPU are one entry.
#[derive(Debug)]
pub struct Log<const N: usize> {
    entries: [Option<Observation>; N],
}

impl<const N: usize> Default for Log<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Log<N> {
    /// An empty one.
    pub const fn new() -> Self {
        Log { entries: [None; N] }
    }

    /// Adds an observation; returns whether there was room.
    pub fn add(&mut self, observation: Observation) -> bool {
        for entry in &mut self.entries {
            let Some(before) = entry else {
                *entry = Some(observation);
                return true;
            };
            if before.merge(&observation) {
                return true;
            }
        }
        false
    }

    /// Hands every observation to `take`, the first made first, and is empty then.
    pub fn drain(&mut self, take: impl FnMut(Observation)) {
        self.entries
            .iter_mut()
            .map_while(Option::take)
            .for_each(take);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn violation(invariant: Option<u8>, cpu: usize, times: u64) -> Observation {
        let first = Violation {
            invariant: invariant.and_then(Invariant::new),
            cpu: CpuId::new(cpu).expect("a CPU"),
            what: "stale read",
            address: Some(0x400000),
        };
        Observation::Violation { first, times }
    }

    const HANG: Observation = Observation::Hang(Hang {
        waiter: CpuId::BOOT,
        culprits: CpuSet::from_bits(0b110),
        invariant: Invariant::new(6),
        what: "acknowledgement",
    });

    fn drained<const N: usize>(log: &mut Log<N>) -> Vec<Observation> {
        let mut seen = Vec::new();
        log.drain(|observation| seen.push(observation));
        seen
    }

    #[test]
    fn only_numbers_of_the_table_are_invariants() {
        let known = (0..=u8::MAX).filter(|&number| Invariant::new(number).is_some());
        assert!(known.eq(1..=20));
    }

    #[test]
    fn violations_of_different_invariants_or_cpus_stay_apart_and_in_order() {
        let mut log = Log::<4>::new();
        for one in [
            violation(Some(5), 1, 1),
            HANG,
            violation(None, 1, 1),
            violation(Some(5), 1, 2),
        ] {
            assert!(log.add(one));
        }
        let expected = [violation(Some(5), 1, 3), HANG, violation(None, 1, 1)];
        assert_eq!(drained(&mut log), expected);
        assert_eq!(drained(&mut log), []);
    }

    #[test]
    fn a_full_log_says_so_and_goes_on_counting_what_it_holds() {
        let mut log = Log::<2>::new();
        assert!(log.add(violation(Some(5), 1, 1)));
        assert!(log.add(HANG));
        assert!(!log.add(HANG));
        assert!(!log.add(violation(Some(5), 2, 1)));
        assert!(log.add(violation(Some(5), 1, 1)));
        assert_eq!(drained(&mut log), [violation(Some(5), 1, 2), HANG]);
    }

    #[test]
    fn what_is_shown_names_invariant_cpu_and_count() {
        assert_eq!(
            violation(Some(5), 2, 3).to_string(),
            "a violation of I5 on CPU 2: stale read at 0x400000, 3 times"
        );
        assert_eq!(
            HANG.to_string(),
            "a hang of CPU 0 for acknowledgement of CPUs 1-2, probably for want of I6"
        );
    }
}
