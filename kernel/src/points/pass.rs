//! The hot side of points: what the machine runs at each of them, armed or not.
//!
//! A point that is not armed costs three instructions, an event that is not recorded two. All
//! else stands where the straight way does not lead through. Recording is by itself there; for
//! whatever else may happen at a point there is [`reached`].

use super::{Operation, Verdict, reached, request_operands};
use crate::{channel, machine, park};
use evidence::{Event, Kind};
use hw::{percpu, trace};
use shootdown::{Destination, Point, Request};

/// What `reached` makes of an armed point, if more is to be done there than to record `operands`.
#[inline(always)]
fn at<T>(
    point: Point,
    go: T,
    operands: impl FnOnce() -> (u64, u64),
    reached: impl FnOnce() -> T,
) -> T {
    if percpu::attentive() {
        return reached();
    }
    let (a, b) = operands();
    trace::record(Event::Point(point).code(), a, b);
    go
}

/// Passes the point of an operation without operands. Returns whether it is skipped.
#[inline(always)]
#[must_use]
pub fn plain(point: Point) -> bool {
    #[cold]
    #[inline(never)]
    fn armed(point: Point) -> bool {
        let skips = || reached(point, &Operation::Plain) == Verdict::Skip;
        at(point, false, || (0, 0), skips)
    }
    percpu::pass(point) && armed(point)
}

/// At the armed point of a store of `value` in the word at `word`. Returns what is to be stored, if
/// anything. If this CPU is to be parked once that is done, `make` does it here.
#[cold]
#[inline(never)]
#[must_use]
pub fn stored(point: Point, word: usize, value: u64, make: Option<&dyn Fn(u64)>) -> Option<u64> {
    let operation = |value| Operation::Store { word, value };
    let attend = || {
        let value = match reached(point, &operation(value)) {
            Verdict::Skip => return None,
            Verdict::Store(other) => other,
            _ => value,
        };
        match make {
            Some(make) if park::stops_behind(point) => {
                make(value);
                park::stored(point, &operation(value));
                None
            }
            _ => Some(value),
        }
    };
    at(point, Some(value), || (word as u64, value), attend)
}

/// Passes the point of a load that found `value` in the word at `word`.
#[inline(always)]
pub fn load(point: Point, word: usize, value: u64) {
    #[cold]
    #[inline(never)]
    fn armed(point: Point, word: usize, value: u64) {
        let attend = || {
            reached(point, &Operation::Load { word, value });
        };
        at(point, (), || (word as u64, value), attend);
    }
    if percpu::pass(point) {
        armed(point, word, value);
    }
}

/// Passes the point of a send. Returns whether it is skipped.
#[inline(always)]
#[must_use]
pub fn send(to: Destination) -> bool {
    #[cold]
    #[inline(never)]
    fn armed(to: Destination) -> bool {
        let skips = || reached(Point::Send, &Operation::Send(to)) == Verdict::Skip;
        at(Point::Send, false, || send_operands(to), skips)
    }
    percpu::pass(Point::Send) && armed(to)
}

/// Passes the point of an invalidation. Returns whether `request` is still to be performed: not
/// if that was skipped, or something else was performed by `instead`.
#[inline(always)]
#[must_use]
pub fn invalidate(point: Point, request: &Request, instead: fn(&Request)) -> bool {
    #[cold]
    #[inline(never)]
    fn armed(point: Point, request: Request, instead: fn(&Request)) -> bool {
        let attend = || match reached(point, &Operation::Invalidate(&request)) {
            Verdict::Skip => false,
            Verdict::Invalidate(other) => {
                instead(&other);
                false
            }
            _ => true,
        };
        at(point, true, || request_operands(&request), attend)
    }
    // By value: a request that a reference leads to has to lie in memory, armed or not.
    !percpu::pass(point) || armed(point, *request, instead)
}

/// Passes the point of a change of page-table entries; see [`Event`] for the operands.
#[inline(always)]
pub fn pte_store(operands: impl Fn() -> (u64, u64)) {
    #[cold]
    #[inline(never)]
    fn armed(a: u64, b: u64) {
        let attend = || {
            reached(Point::PteStore, &Operation::Pte(a, b));
        };
        at(Point::PteStore, (), || (a, b), attend);
    }
    if percpu::pass(Point::PteStore) {
        let (a, b) = operands();
        armed(a, b);
    }
}

/// Records an event of this CPU, if CPUs record.
#[inline(always)]
pub fn note(kind: Kind, a: u64, b: u64) {
    if percpu::traced() {
        record(kind, a, b);
    }
}

/// As [`note`]; the operands are computed only if they are recorded.
#[inline(always)]
pub fn note_with(kind: Kind, operands: impl FnOnce() -> (u64, u64)) {
    if percpu::traced() {
        let (a, b) = operands();
        record(kind, a, b);
    }
}

/// Records an event of this CPU: for several at once, if [`percpu::traced`].
#[inline(always)]
pub fn record(kind: Kind, a: u64, b: u64) {
    let code = Event::Kind(kind).code();
    match percpu::attentive() {
        true => record_all(code, a, b),
        false => trace::record(code, a, b),
    }
}

/// Records an event, and sees to it that none is lost if none may be.
#[cold]
pub(super) fn record_all(event: u8, a: u64, b: u64) {
    trace::record(event, a, b);
    channel::recorded();
}

/// The operands under which a send is recorded.
pub(super) fn send_operands(to: Destination) -> (u64, u64) {
    match to {
        Destination::Each(cpus) => (cpus.bits(), 0),
        Destination::AllButSelf => (machine::online().without(percpu::cpu()).bits(), 1),
    }
}
