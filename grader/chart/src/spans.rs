//! What lasts, in numbers of records.

use crate::{Of, Span};
use evidence::timeline::{Outcome, Shootdown};
use evidence::{Event, Kind, Timeline};
use shootdown::{CpuId, Point, SpaceId};

/// Everything of the timeline that lasts, earliest beginning first.
pub(crate) fn spans(timeline: &Timeline) -> Vec<Span> {
    let mut spans = Vec::new();
    for (number, shootdown) in timeline.shootdowns().iter().enumerate() {
        spans.push(Span {
            of: Of::Initiates,
            cpu: lane(shootdown.initiator),
            from: shootdown.begin,
            to: shootdown.end,
            shootdown: Some(number),
        });
        for holder in shootdown.holders {
            windows(timeline, number, shootdown, holder, &mut spans);
        }
    }
    for handler in timeline.handlers() {
        spans.push(Span {
            of: Of::Handler,
            cpu: lane(handler.cpu),
            from: handler.enter,
            to: handler.leave,
            shootdown: None,
        });
    }
    for cpu in timeline.cpus() {
        pairs(timeline, cpu, &mut spans);
    }
    spans.sort_by_key(|span| (span.from, span.of, span.cpu));
    spans
}

pub(crate) fn lane(cpu: CpuId) -> u8 {
    cpu.index() as u8
}

/// What begins with one record of a CPU and ends with another.
fn pairs(timeline: &Timeline, cpu: CpuId, spans: &mut Vec<Span>) {
    let of = |event: Event| match event {
        Event::Point(Point::Wait) => Some((Of::Waits, true)),
        Event::Point(Point::Done) | Event::Kind(Kind::End) => Some((Of::Waits, false)),
        Event::Kind(Kind::InterruptsOff) => Some((Of::Masked, true)),
        Event::Kind(Kind::InterruptsOn) => Some((Of::Masked, false)),
        Event::Kind(Kind::Park | Kind::Stop) => Some((Of::Stands, true)),
        Event::Kind(Kind::Unpark | Kind::Resume) => Some((Of::Stands, false)),
        _ => None,
    };
    let mut open: Vec<(Of, usize)> = Vec::new();
    let mut push = |of, from, to| {
        spans.push(Span {
            of,
            cpu: lane(cpu),
            from,
            to,
            shootdown: None,
        });
    };
    for &index in timeline.of(cpu) {
        let Some((kind, begins)) = of(timeline.records()[index].event) else {
            continue;
        };
        let begun = open.iter().position(|(other, _)| *other == kind);
        match (begins, begun) {
            (true, None) => open.push((kind, index)),
            (false, Some(at)) => push(kind, open.remove(at).1, Some(index)),
            _ => {}
        }
    }
    for (kind, from) in open {
        push(kind, from, None);
    }
}

/// For how long `holder` might use what the shootdown takes away, and for how long it must not.
fn windows(
    timeline: &Timeline,
    number: usize,
    shootdown: &Shootdown,
    holder: CpuId,
    spans: &mut Vec<Span>,
) {
    let Some(&store) = shootdown.stores.last() else {
        return;
    };
    let request = &shootdown.request;
    let elsewhere = timeline
        .space_at(holder, store)
        .is_some_and(|space| space != request.space);
    if request.operation.is_none() || request.space != SpaceId::KERNEL && elsewhere {
        return;
    }
    let forgotten = timeline.forgotten(holder, store, request);
    let span = |of, from, to| Span {
        of,
        cpu: lane(holder),
        from,
        to,
        shootdown: Some(number),
    };
    let asked = shootdown.asked.is_none_or(|asked| asked.contains(holder));
    let deadline = match (shootdown.outcome, shootdown.end) {
        (Outcome::Acknowledged, Some(end)) if asked => deadline(timeline, holder, end),
        _ => None,
    };
    match deadline.filter(|&by| forgotten.is_none_or(|forgotten| forgotten > by)) {
        Some(by) => {
            spans.push(span(Of::Old, store, Some(by)));
            spans.push(span(Of::Stale, by, forgotten));
        }
        None => spans.push(span(Of::Old, store, forgotten)),
    }
}

/// The record by which a holder must have forgotten: the shootdown's return, or the end of what it
/// cannot leave without having done it, which is its handler or a stop. None if that has no end.
fn deadline(timeline: &Timeline, holder: CpuId, end: usize) -> Option<usize> {
    if let Some(handler) = timeline.handler_at(holder, end) {
        return handler.leave;
    }
    let records = timeline.records();
    let stops = |index: &&usize| {
        let record = &records[**index];
        record.is(Kind::Stop) || record.is(Kind::Resume)
    };
    let last = timeline.before(holder, end).iter().rev().find(stops);
    if last.is_none_or(|&last| records[last].is(Kind::Resume)) {
        return Some(end);
    }
    let after = timeline.after(holder, end).iter();
    after
        .copied()
        .find(|&index| records[index].is(Kind::Resume))
}
