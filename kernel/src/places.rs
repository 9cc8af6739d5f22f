//! Which word of a protocol is which: from a word's address back to the CPUs it lies between.
//!
//! A protocol's words pass points by their address only; this names them, for the trace, for
//! faults that are about one peer, and for breakpoints.

use crate::machine::Kernel;
use alloc::vec::Vec;
use shootdown::{CpuId, CpuSet, Protocol};
use spin::Once;

/// What a word is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Purpose {
    /// `target` acknowledges in it.
    Slot,
    /// It begins `initiator`'s request.
    Head,
}

/// A word of a protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    address: usize,
    /// What it is for.
    pub purpose: Purpose,
    /// The CPU that acknowledges in it; `None` for a request's.
    pub target: Option<CpuId>,
    /// The CPU whose request it is about; `None` if several CPUs share it.
    pub initiator: Option<CpuId>,
}

/// Sorted by address.
static PLACES: Once<Vec<Place>> = Once::new();

/// Builds the table for `protocols` and CPUs 0 to `cpus - 1`. Once.
pub fn init<'p>(protocols: impl Iterator<Item = &'p dyn Protocol<Kernel>>, cpus: usize) {
    PLACES.call_once(|| {
        let mut places: Vec<Place> = protocols.flat_map(|protocol| all(protocol, cpus)).collect();
        places.sort_unstable();
        places.dedup_by(|next, kept| {
            let same = next.address == kept.address;
            if same && next.initiator != kept.initiator {
                kept.initiator = None;
            }
            same
        });
        places
    });
}

fn all(protocol: &dyn Protocol<Kernel>, cpus: usize) -> Vec<Place> {
    let mut places = Vec::new();
    for initiator in CpuSet::first(cpus) {
        places.extend(protocol.head(initiator).map(|word| Place {
            address: word.address(),
            purpose: Purpose::Head,
            target: None,
            initiator: Some(initiator),
        }));
        for target in CpuSet::first(cpus).without(initiator) {
            places.extend(protocol.slot(target, initiator).map(|word| Place {
                address: word.address(),
                purpose: Purpose::Slot,
                target: Some(target),
                initiator: Some(initiator),
            }));
        }
    }
    places
}

/// The word at `address`, if it is one of a protocol's slots or a request's first.
pub fn of(address: usize) -> Option<Place> {
    let places = PLACES.get()?;
    let index = places
        .binary_search_by_key(&address, |place| place.address)
        .ok()?;
    Some(places[index])
}

impl Place {
    /// The CPU at the other end, seen from `me`. For a word that several initiators share, the
    /// target is known only.
    pub fn peer_of(&self, me: CpuId) -> Option<CpuId> {
        match self.target {
            Some(target) if target != me => Some(target),
            _ => self.initiator.filter(|&initiator| initiator != me),
        }
    }
}
