//! From records to rows: what each says, and which make one row together.

use super::{Drawing, Style};
use crate::{Event, Kind, Record};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use shootdown::{CpuId, CpuSet, Point};

/// One row of a drawing: what one CPU did.
pub(super) struct Row {
    pub cpu: CpuId,
    /// Its records, as indices: the first and the last.
    pub first: usize,
    pub last: usize,
    /// The events of its records, in order.
    pub events: Vec<Event>,
    pub label: String,
    pub style: Style,
    /// The CPUs to which it sends interrupts.
    pub sent: CpuSet,
}

/// The rows that the records `indices` make.
pub(super) fn rows(drawing: &Drawing<'_>, indices: impl Iterator<Item = usize>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut names: Vec<CpuSet> = Vec::new();
    for index in indices {
        let record = &drawing.timeline.records()[index];
        if !drawing.lanes.contains(&record.cpu) || hidden(record) {
            continue;
        }
        let before = rows
            .iter_mut()
            .zip(&mut names)
            .rfind(|(row, _)| row.cpu == record.cpu);
        if let Some((row, named)) = before
            && join(row, named, record)
        {
            row.last = index;
            row.events.push(record.event);
            continue;
        }
        let (named, label) = label(record);
        names.push(named);
        rows.push(Row {
            cpu: record.cpu,
            first: index,
            last: index,
            events: alloc::vec![record.event],
            label,
            style: style(drawing, index, record),
            sent: if record.is(Kind::Ipi) {
                record.cpus()
            } else {
                CpuSet::EMPTY
            },
        });
    }
    rows
}

/// What is told elsewhere, or is no part of a shootdown.
fn hidden(record: &Record) -> bool {
    let kinds = [Kind::Holders, Kind::Asked, Kind::Switch];
    kinds.into_iter().any(|kind| record.is(kind))
}

/// Makes `record` part of the row before it, if the two say one thing.
fn join(row: &mut Row, named: &mut CpuSet, record: &Record) -> bool {
    let last = row.events.last().copied();
    let after = |event: Event| last == Some(event);
    match record.event {
        Event::Point(Point::Zero) if after(Point::Zero.into()) => {
            let target = record.place().and_then(|place| place.target);
            *named = target.map_or(*named, |target| named.with(target));
            row.label = format!("zero {named}");
        }
        Event::Kind(Kind::Ipi) if after(Point::Send.into()) || after(Kind::Ipi.into()) => {
            row.sent = row.sent.or(record.cpus());
        }
        Event::Kind(Kind::Invlpg) if after(Kind::Invlpg.into()) => {
            let executed = row
                .events
                .iter()
                .filter(|event| **event == Kind::Invlpg.into());
            row.label = format!("{} x{}", record.event.name(), executed.count() + 1);
        }
        Event::Point(Point::Wait) if after(Point::Done.into()) => {}
        Event::Point(Point::Done) if after(Point::Wait.into()) && row.events.len() > 1 => {}
        Event::Kind(Kind::Leave) if after(Point::Return.into()) => {
            row.label = record.event.name().to_string();
        }
        _ => return false,
    }
    true
}

fn label(record: &Record) -> (CpuSet, String) {
    let name = record.event.name();
    let target = record.place().and_then(|place| place.target);
    let named = target.map_or(CpuSet::EMPTY, CpuSet::only);
    let label = match record.event {
        Event::Point(Point::Zero) => format!("zero {named}"),
        Event::Point(Point::Generation | Point::Acknowledge) => format!("{name} {}", record.b),
        Event::Kind(Kind::Enter) if record.b != 0 => format!("{name}, from user"),
        Event::Kind(Kind::End) if record.a != 0 => "abandoned".to_string(),
        Event::Kind(Kind::Fault) => {
            let point = Point::ALL.get((record.b >> 8) as usize);
            format!("FAULT {}", point.map_or("", |point| point.name()))
        }
        Event::Kind(Kind::Stale) => "STALE READ".to_string(),
        Event::Kind(Kind::Read) => format!("{name} {:#x}", record.b >> 32),
        Event::Kind(Kind::Park | Kind::Unpark) => {
            let point = Point::ALL.get(record.a as usize);
            format!("{name} {}", point.map_or("", |point| point.name()))
        }
        Event::Kind(Kind::Stuck | Kind::Resend) => format!("{name} {}", record.cpus()),
        Event::Kind(Kind::LoadCr3) => format!("{name} {}", record.a),
        Event::Kind(Kind::Mark) => format!("{name} {}", record.a),
        _ => name.to_string(),
    };
    (named, label)
}

fn style(drawing: &Drawing<'_>, index: usize, record: &Record) -> Style {
    match record.event {
        Event::Kind(Kind::Fault) => return Style::Fault,
        Event::Kind(Kind::Stale | Kind::Violation | Kind::Stuck) => return Style::Stale,
        Event::Kind(Kind::InterruptsOff | Kind::InterruptsOn) => return Style::Off,
        _ => {}
    }
    if let Some(shootdown) = drawing.shootdown
        && !of_shootdown(drawing, shootdown, index, record)
    {
        return Style::Dim;
    }
    match record.event {
        Event::Point(Point::PteStore) => Style::Stale,
        Event::Kind(Kind::End) if record.a == 0 => Style::Good,
        Event::Kind(Kind::End) => Style::Stale,
        _ if drawing.timeline.handler_at(record.cpu, index).is_some() || record.is(Kind::Leave) => {
            Style::Target
        }
        _ => Style::Initiator,
    }
}

/// Whether a record is part of the shootdown that is drawn.
fn of_shootdown(
    drawing: &Drawing<'_>,
    shootdown: &crate::timeline::Shootdown,
    index: usize,
    record: &Record,
) -> bool {
    if shootdown.steps.binary_search(&index).is_ok() || shootdown.stores.contains(&index) {
        return true;
    }
    let services = shootdown.services.iter();
    let mut services = services.map(|&service| &drawing.timeline.services()[service]);
    services.any(|service| {
        let handler = service
            .handler
            .map(|handler| &drawing.timeline.handlers()[handler]);
        let own = [
            service.notice,
            service.copy,
            service.acknowledge,
            service.invalidate,
        ];
        own.contains(&Some(index))
            || service.executed.contains(&index)
            || record.is(Point::Return) && record.cpu == service.cpu
            || handler.is_some_and(|handler| handler.enter == index || handler.leave == Some(index))
    })
}
