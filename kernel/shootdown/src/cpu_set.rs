//! CPUs by number, and sets of them.

use core::fmt;

/// The most CPUs the kit runs on: a [`CpuSet`] is one 64-bit word, so that an address space's
/// active set can be read and changed by single instructions.
pub const MAX_CPUS: usize = 64;

/// A CPU's number: 0 for the one that booted, dense, below [`MAX_CPUS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CpuId(u8);

impl CpuId {
    /// The CPU that booted.
    pub const BOOT: CpuId = CpuId(0);

    /// The CPU numbered `index`, or `None` from [`MAX_CPUS`] on.
    pub const fn new(index: usize) -> Option<Self> {
        if index < MAX_CPUS {
            Some(CpuId(index as u8))
        } else {
            None
        }
    }

    /// The number, for indexing.
    #[inline(always)]
    pub const fn index(self) -> usize {
        // The mask restates `new`'s bound where the compiler can see it.
        self.0 as usize & (MAX_CPUS - 1)
    }
}

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of CPUs, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CpuSet(u64);

impl CpuSet {
    /// No CPU.
    pub const EMPTY: CpuSet = CpuSet(0);

    /// The set whose bit `n` stands for CPU `n`.
    pub const fn from_bits(bits: u64) -> Self {
        CpuSet(bits)
    }

    /// Bit `n` stands for CPU `n`.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Just `cpu`.
    #[inline(always)]
    pub const fn only(cpu: CpuId) -> Self {
        CpuSet(1 << cpu.index())
    }

    /// CPUs 0 to `count - 1`; everything from 64 on.
    pub const fn first(count: usize) -> Self {
        if count >= MAX_CPUS {
            CpuSet(u64::MAX)
        } else {
            CpuSet((1 << count) - 1)
        }
    }

    /// Whether `cpu` is in the set.
    #[inline(always)]
    pub const fn contains(self, cpu: CpuId) -> bool {
        self.0 & CpuSet::only(cpu).0 != 0
    }

    /// The set and `cpu`.
    #[inline(always)]
    #[must_use]
    pub const fn with(self, cpu: CpuId) -> Self {
        CpuSet(self.0 | CpuSet::only(cpu).0)
    }

    /// The set but `cpu`.
    #[inline(always)]
    #[must_use]
    pub const fn without(self, cpu: CpuId) -> Self {
        CpuSet(self.0 & !CpuSet::only(cpu).0)
    }

    /// What both hold.
    #[must_use]
    pub const fn and(self, other: CpuSet) -> Self {
        CpuSet(self.0 & other.0)
    }

    /// What either holds.
    #[must_use]
    pub const fn or(self, other: CpuSet) -> Self {
        CpuSet(self.0 | other.0)
    }

    /// What this one holds and `other` does not.
    #[must_use]
    pub const fn minus(self, other: CpuSet) -> Self {
        CpuSet(self.0 & !other.0)
    }

    /// Whether no CPU is in it.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many CPUs are in it.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The CPU with the lowest number.
    #[inline(always)]
    pub const fn lowest(self) -> Option<CpuId> {
        if self.0 == 0 {
            None
        } else {
            Some(CpuId(self.0.trailing_zeros() as u8))
        }
    }
}

impl IntoIterator for CpuSet {
    type Item = CpuId;
    type IntoIter = Cpus;

    #[inline(always)]
    fn into_iter(self) -> Cpus {
        Cpus(self.0)
    }
}

impl FromIterator<CpuId> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuId>>(cpus: I) -> Self {
        cpus.into_iter().fold(CpuSet::EMPTY, CpuSet::with)
    }
}

/// The CPUs of a set, lowest number first.
#[derive(Clone, Debug)]
pub struct Cpus(u64);

impl Iterator for Cpus {
    type Item = CpuId;

    #[inline(always)]
    fn next(&mut self) -> Option<CpuId> {
        let cpu = CpuSet(self.0).lowest()?;
        self.0 &= self.0 - 1;
        Some(cpu)
    }
}

/// As the shell reads it: `0,2-3`, or `none`.
impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut rest = self.0;
        let mut separator = "";
        while rest != 0 {
            let first = rest.trailing_zeros();
            let length = (rest >> first).trailing_ones();
            write!(f, "{separator}{first}")?;
            if length > 1 {
                write!(f, "-{}", first + length - 1)?;
            }
            separator = ",";
            rest &= u64::MAX.checked_shl(first + length).unwrap_or(0);
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_set_prints_as_the_ranges_it_is_typed_as() {
        let printed = |bits| CpuSet::from_bits(bits).to_string();
        assert_eq!(printed(0), "none");
        assert_eq!(printed(0b1101), "0,2-3");
        assert_eq!(printed(u64::MAX), "0-63");
        assert_eq!(printed(1 << 63 | 1), "0,63");
    }

    #[test]
    fn the_iterator_yields_each_cpu_once_lowest_first() {
        let set = CpuSet::from_bits(1 << 63 | 0b110);
        let numbers: std::vec::Vec<usize> = set.into_iter().map(CpuId::index).collect();
        assert_eq!(numbers, [1, 2, 63]);
        assert_eq!(set.into_iter().collect::<CpuSet>(), set);
    }

    #[test]
    fn a_cpu_number_beyond_the_limit_is_refused() {
        assert!(CpuId::new(MAX_CPUS - 1).is_some());
        assert!(CpuId::new(MAX_CPUS).is_none());
        assert_eq!(CpuSet::first(MAX_CPUS).len(), MAX_CPUS);
    }
}
