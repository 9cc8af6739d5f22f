//! The breaks that are set.

use super::Parked;
use crate::thread;
use alloc::vec::Vec;
use hw::sync::IrqLock;
use shootdown::{CpuSet, Point};

/// The most breaks at a time.
pub const MAX_BREAKS: usize = 32;

/// Which CPUs are parked where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Break {
    /// By which it is cleared; never given twice.
    pub number: u32,
    /// The point.
    pub point: Point,
    /// Whether CPUs are parked once the store there is made, not before.
    pub stored: bool,
    /// The CPUs that are parked when they get there.
    pub cpus: CpuSet,
    /// Only for requests of these; `None` for anybody's and nobody's.
    pub from: Option<CpuSet>,
    /// How many times more it parks a CPU; `None` for every time.
    pub left: Option<u64>,
    /// How often it did.
    pub hits: u64,
}

impl Break {
    /// Whether it may yet park a CPU.
    pub fn is_armed(&self) -> bool {
        self.left != Some(0)
    }

    fn matches(&self, parked: &Parked) -> bool {
        self.is_armed()
            && (self.point, self.stored) == (parked.point, parked.stored)
            && self.cpus.contains(parked.cpu)
            && self
                .from
                .is_none_or(|from| !from.and(parked.initiators).is_empty())
    }
}

/// No more breaks can be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

/// In the order of their numbers, with room for all: nothing is allocated in handlers.
struct Table {
    breaks: Vec<Break>,
    last_number: u32,
}

static TABLE: IrqLock<Table> = IrqLock::new(Table {
    breaks: Vec::new(),
    last_number: 0,
});

/// Sets a break; it applies to who gets there from now on. From the shell's thread. Returns its
/// number. `stored` says whether it parks behind the point's store.
///
/// # Errors
/// [`TooMany`].
pub fn set(
    (point, stored): (Point, bool),
    cpus: CpuSet,
    from: Option<CpuSet>,
    left: Option<u64>,
) -> Result<u32, TooMany> {
    let number = {
        let mut table = TABLE.lock();
        if table.breaks.len() == MAX_BREAKS {
            return Err(TooMany);
        }
        table.last_number += 1;
        let number = table.last_number;
        table.breaks.push(Break {
            number,
            point,
            stored,
            cpus,
            from,
            left,
            hits: 0,
        });
        number
    };
    // The shell's thread is shielded before any CPU can be parked.
    super::stand::engage();
    thread::shield_shell();
    super::stand::update();
    Ok(number)
}

/// Clears the break of that number, or all. Returns how many those were. CPUs that are parked stay
/// parked.
pub fn clear(number: Option<u32>) -> usize {
    let cleared = {
        let mut table = TABLE.lock();
        let before = table.breaks.len();
        table
            .breaks
            .retain(|one| number.is_some_and(|number| one.number != number));
        before - table.breaks.len()
    };
    super::stand::update();
    thread::shield_shell();
    cleared
}

/// Every break, spent ones too.
pub fn all() -> Vec<Break> {
    // Allocated before the lock is taken.
    let mut breaks = Vec::with_capacity(MAX_BREAKS);
    breaks.extend_from_slice(&TABLE.lock().breaks);
    breaks
}

/// The points at which a break may park a CPU, a bit each; and those at which a handler shows whose
/// request it serves, if that is of interest later.
pub(super) fn points() -> u32 {
    let points = TABLE
        .lock()
        .breaks
        .iter()
        .filter(|one| one.is_armed())
        .fold(0, |bits, one| bits | 1 << one.point as u32);
    let later = 1 << Point::Invalidate as u32 | 1 << Point::Return as u32;
    if points & later == 0 {
        points
    } else {
        points | 1 << Point::Copy as u32
    }
}

/// Whether a break may park a CPU behind the store at `point`.
pub fn stops_behind(point: Point) -> bool {
    let table = TABLE.lock();
    let mut armed = table.breaks.iter().filter(|one| one.is_armed());
    armed.any(|one| one.stored && one.point == point)
}

/// Whether a break parks this CPU where it is. Counts it if so.
pub(super) fn hit(parked: &Parked) -> bool {
    let mut table = TABLE.lock();
    let Some(one) = table.breaks.iter_mut().find(|one| one.matches(parked)) else {
        return false;
    };
    one.hits += 1;
    one.left = one.left.map(|left| left - 1);
    true
}
