//! What a parked CPU was about to do, for whom.

use crate::points::Operation;
use crate::{places, protocols};
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};
use shootdown::{CpuId, CpuSet, Destination, MAX_CPUS, Point, Request};

/// A CPU that is parked at a point.
#[derive(Clone, Copy, Debug)]
pub struct Parked {
    /// Which.
    pub cpu: CpuId,
    /// Where. What the point says is about to happen has not happened, unless it is `stored`.
    pub point: Point,
    /// Whether the store at the point is made.
    pub stored: bool,
    /// Whose requests this is about: one CPU, or, where a handler has not looked yet, all whose
    /// requests are pending for it. Empty if nobody's.
    pub initiators: CpuSet,
    /// The request's generation, once it is written.
    pub generation: Option<u32>,
    /// What comes next, with its operands.
    next: Next,
    /// How many times CPUs had been parked when it was, this time included.
    pub arrival: u64,
    /// Whether a person has been told.
    pub told: bool,
}

/// The operation at the point.
#[derive(Clone, Copy, Debug)]
enum Next {
    Plain,
    /// A word is to be written; if it is a slot, whose.
    Store(u64, Option<CpuId>),
    Send(Destination),
    Invalidate(Request),
    Pte(u64),
}

/// Whose request each CPU has copied last, plus one; 0 for nobody's.
static SERVED: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];

/// The CPUs, `me` apart, whose requests are pending for `me`.
fn pending(me: CpuId) -> CpuSet {
    crate::machine::started()
        .without(me)
        .into_iter()
        .filter(|&initiator| protocols::outstanding(initiator).contains(me))
        .collect()
}

fn served_last(me: CpuId) -> CpuSet {
    let word = SERVED[me.index()].load(Acquire) as usize;
    word.checked_sub(1)
        .and_then(CpuId::new)
        .map_or(CpuSet::EMPTY, CpuSet::only)
}

/// Whose request a handler on `me` has to do with that reads or writes the word at `word`.
fn of_word(me: CpuId, word: usize) -> CpuSet {
    match places::of(word).and_then(|place| place.initiator) {
        Some(initiator) => CpuSet::only(initiator),
        None => pending(me),
    }
}

/// Whose request CPU `me` has to do with at `point`.
fn initiators(me: CpuId, point: Point, operation: &Operation<'_>) -> CpuSet {
    let whose = match (point, operation) {
        (Point::Notice, _) => return pending(me),
        (Point::Copy | Point::Acknowledge, Operation::Load { word, .. })
        | (Point::Copy | Point::Acknowledge, Operation::Store { word, .. }) => of_word(me, *word),
        (Point::Invalidate, _) if served_last(me).is_empty() => pending(me),
        (Point::Invalidate | Point::Return, _) => return served_last(me),
        _ => return CpuSet::only(me),
    };
    if let (1, Some(one)) = (whose.len(), whose.lowest()) {
        SERVED[me.index()].store(one.index() as u32 + 1, Release);
    }
    whose
}

fn generation(point: Point, operation: &Operation<'_>, initiators: CpuSet) -> Option<u32> {
    match (point, operation) {
        (Point::Pin | Point::Publish | Point::PteStore | Point::Activate | Point::Return, _) => {
            None
        }
        (Point::Generation | Point::Acknowledge, Operation::Store { value, .. }) => {
            Some(*value as u32)
        }
        _ if initiators.len() == 1 => Some(protocols::request(initiators.lowest()?)?.generation),
        _ => None,
    }
}

impl Parked {
    /// CPU `cpu`, this one, at `point`, with `operation` before it. With interrupts off.
    pub(super) fn new(cpu: CpuId, point: Point, operation: &Operation<'_>) -> Parked {
        let initiators = initiators(cpu, point, operation);
        Parked {
            cpu,
            point,
            stored: false,
            initiators,
            generation: generation(point, operation, initiators),
            next: match *operation {
                Operation::Plain | Operation::Load { .. } => Next::Plain,
                Operation::Store { word, value } => {
                    Next::Store(value, places::of(word).and_then(|place| place.target))
                }
                Operation::Send(to) => Next::Send(to),
                Operation::Invalidate(request) => Next::Invalidate(*request),
                Operation::Pte(page, _) => Next::Pte(page & !0xfff),
            },
            arrival: 0,
            told: false,
        }
    }

    /// The one CPU whose request this is about, if it is one.
    pub fn initiator(&self) -> Option<CpuId> {
        self.initiators
            .lowest()
            .filter(|_| self.initiators.len() == 1)
    }

    /// What the CPU is about to do, or has just done, in a few words.
    pub fn doing(&self) -> String {
        match (self.point, self.next) {
            (_, Next::Store(value, _)) if self.stored => format!("has written {value:#x}"),
            (Point::Pin, _) => "is pinned, and has written nothing yet".into(),
            (Point::Publish, _) => "about to write its request".into(),
            (Point::Generation, Next::Store(value, _)) => {
                format!("about to write generation {value}")
            }
            (Point::Zero, Next::Store(_, Some(target))) => {
                format!("about to zero the slot of CPU {target}")
            }
            (_, Next::Send(Destination::AllButSelf)) => {
                "about to send the IPI to all others".into()
            }
            (_, Next::Send(Destination::Each(cpus))) => {
                format!("about to send the IPI to CPUs {cpus}")
            }
            (_, Next::Invalidate(request)) => format!("about to invalidate: {request}"),
            (Point::Wait, _) => match protocols::outstanding(self.cpu) {
                CpuSet::EMPTY => "about to wait; nobody is late".into(),
                late => format!("about to wait; not acknowledged by CPUs {late}"),
            },
            (Point::Done, _) => "a wait is over".into(),
            (Point::Notice, _) => "has found a request".into(),
            (Point::Copy, _) => "is reading the request".into(),
            (Point::Acknowledge, Next::Store(value, _)) => {
                format!("about to write {value} into its slot")
            }
            (Point::Return, _) => "has found nothing more".into(),
            (Point::PteStore, Next::Pte(page)) => {
                format!("about to change the page-table entry of {page:#x}")
            }
            (Point::Activate, _) => "about to enter an address space".into(),
            (_, Next::Store(value, _)) => format!("about to write {value}"),
            (_, Next::Plain | Next::Pte(_)) => "about to go on".into(),
        }
    }
}

/// `CPU 1 parked at acknowledge, request of CPU 0, generation 5`
impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.stored { "behind" } else { "at" };
        write!(f, "CPU {} parked {place} {}", self.cpu, self.point)?;
        match self.initiator() {
            Some(own) if own == self.cpu => {}
            Some(initiator) => write!(f, ", request of CPU {initiator}")?,
            None if self.initiators.is_empty() => {}
            None => write!(f, ", requests of CPUs {}", self.initiators)?,
        }
        match self.generation {
            Some(generation) => write!(f, ", generation {generation}"),
            None => Ok(()),
        }
    }
}
