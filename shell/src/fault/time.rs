//! A time as it is typed: `300ns`, `200us`, `5ms`.

use crate::parse::number;
use core::fmt;

/// A length of time; in nanoseconds, at most [`Time::LONGEST`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Time(u64);

/// The units, the longest first.
const UNITS: [(&str, u64); 4] = [
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("s", 1_000_000_000),
];

impl Time {
    /// Ten seconds: longer than that, a fault is a CPU that is gone.
    pub const LONGEST: Time = Time(10_000_000_000);

    /// What `text` says: a number and a unit, joined. `None` if it says no time, or one that is 0
    /// or too long.
    pub fn parse(text: &str) -> Option<Time> {
        let (digits, unit) = UNITS
            .into_iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
        let time = Time(number(digits).ok()?.checked_mul(unit)?);
        (Time(1)..=Time::LONGEST).contains(&time).then_some(time)
    }

    /// It in nanoseconds.
    pub const fn ns(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Time {
    /// In the longest unit of which it is a whole number, and that is at most a millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&(_, unit): &(&str, u64)| self.0.is_multiple_of(unit);
        let (name, unit) = UNITS.into_iter().find(fits).unwrap_or(("ns", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}
