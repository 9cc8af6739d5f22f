//! The target's side: what it copied, acknowledged, performed, and whether it was done.

use super::Court;
use crate::timeline::{Handler, Service, covers};
use crate::{Kind, Range, Record};
use alloc::format;
use alloc::vec::Vec;
use shootdown::{CpuSet, Point};

pub(super) fn judge(court: &mut Court<'_>) {
    for service in court.timeline.services() {
        copied_first(court, service);
        performed_what_was_asked(court, service);
        performed_all_of_it(court, service);
    }
    for (number, handler) in court.timeline.handlers().iter().enumerate() {
        drained(court, number, handler);
        one_at_a_time(court, handler);
    }
}

/// I4.
fn copied_first(court: &mut Court<'_>, service: &Service) {
    let (Some(copy), Some(acknowledge)) = (service.copy, service.acknowledge) else {
        return;
    };
    if copy < acknowledge {
        return court.held(4);
    }
    let text = format!(
        "expected CPU {} to copy the request before it acknowledged, it did so after",
        service.cpu
    );
    let cpus = CpuSet::only(service.cpu);
    court.broken(4, service.shootdown, cpus, &[acknowledge, copy], text);
}

/// I1: what a target performs under a generation is what was asked under it.
fn performed_what_was_asked(court: &mut Court<'_>, service: &Service) {
    let (Some(index), Some(invalidate)) = (service.shootdown, service.invalidate) else {
        return;
    };
    let shootdown = court.shootdown(index);
    let records = court.timeline.records();
    let generation = service.acknowledge.map(|record| records[record].b as u32);
    if generation.is_some() && generation != shootdown.generation {
        return;
    }
    let performed = records[invalidate].range();
    // More than was asked is no fault: a target that is behind forgets the whole space.
    if performed.includes(&shootdown.request) {
        return court.held(1);
    }
    let text = format!(
        "expected CPU {} to perform {}, as was asked; it performed {performed}",
        service.cpu, shootdown.request
    );
    let cpus = CpuSet::only(service.cpu).with(shootdown.initiator);
    court.broken(1, Some(index), cpus, &[shootdown.begin, invalidate], text);
}

/// I16 and I17: the instructions do what the request says, for each of its pages.
fn performed_all_of_it(court: &mut Court<'_>, service: &Service) {
    let Some(invalidate) = service.invalidate else {
        return;
    };
    let ended = service
        .handler
        .is_none_or(|handler| court.timeline.handlers()[handler].leave.is_some());
    let records = court.timeline.records();
    let range = records[invalidate].range();
    let executed = service
        .executed
        .iter()
        .map(|&index| (index, &records[index]));
    let invariant = if range.has_pages() { 17 } else { 16 };
    if covers(executed.clone(), &range).is_some() {
        return court.held(invariant);
    }
    if !ended {
        return court.unjudged(invariant);
    }
    let executed: Vec<&Record> = executed.map(|(_, record)| record).collect();
    let invariant = incomplete(&executed, &range);
    let seen = match (invariant, executed.last()) {
        (5, _) | (_, None) => "it invalidated none of it".into(),
        (_, Some(last)) => {
            let name = last.event.name();
            format!(
                "it executed {} times {name}, which is not enough",
                executed.len()
            )
        }
    };
    let text = format!("expected CPU {} to invalidate {range}; {seen}", service.cpu);
    let cpus = CpuSet::only(service.cpu);
    court.missing(invariant, service.shootdown, cpus, &[invalidate], text);
}

/// What a CPU breaks that executed `executed` where all of `range` was due: the page count, the
/// choice of instructions, or, where nothing of it was done, everything.
pub(super) fn incomplete(executed: &[&Record], range: &Range) -> u8 {
    let pages = || executed.iter().filter(|record| record.is(Kind::Invlpg));
    let part = pages().any(|record| range.contains(range.space, record.a & !0xfff));
    if part && range.has_pages() {
        17
    } else if part || pages().count() < executed.len() {
        16
    } else {
        5
    }
}

/// I6: what was announced before a handler began is served when it ends.
fn drained(court: &mut Court<'_>, number: usize, handler: &Handler) {
    let Some(leave) = handler.leave else {
        return;
    };
    let timeline = court.timeline;
    let first = timeline
        .arrows()
        .partition_point(|arrow| arrow.ipi <= handler.enter);
    let taken = timeline.arrows()[..first].iter().rev().take(256);
    for arrow in taken.filter(|arrow| arrow.handler == Some(number)) {
        let Some(index) = arrow.shootdown else {
            continue;
        };
        let shootdown = court.shootdown(index);
        let announced = shootdown
            .steps
            .iter()
            .take_while(|&&step| step < arrow.ipi)
            .any(|&step| {
                let event = timeline.records()[step].event;
                [Point::Publish.into(), Point::Zero.into()].contains(&event)
            });
        if !announced || !shootdown.targets().contains(handler.cpu) {
            continue;
        }
        let served = shootdown
            .services
            .iter()
            .map(|&service| &timeline.services()[service]);
        let served = served
            .filter(|service| service.cpu == handler.cpu)
            .any(|service| service.acknowledge.is_some_and(|record| record < leave));
        if served {
            court.held(6);
            continue;
        }
        let text = format!(
            "expected CPU {} to serve CPU {}'s request before its handler ended, it did not",
            handler.cpu, shootdown.initiator
        );
        let cpus = CpuSet::only(handler.cpu).with(shootdown.initiator);
        court.missing(6, Some(index), cpus, &[handler.enter, leave], text);
    }
}

/// I18: an interrupt of a vector does not come while one of that vector is served.
fn one_at_a_time(court: &mut Court<'_>, handler: &Handler) {
    let timeline = court.timeline;
    let before = timeline.before(handler.cpu, handler.enter).last();
    let outer = before.and_then(|&index| timeline.handler_at(handler.cpu, index));
    match outer {
        Some(outer) if outer.vector == handler.vector => {
            let text = format!(
                "expected CPU {} to leave its handler before it entered the next, it did not",
                handler.cpu
            );
            let cpus = CpuSet::only(handler.cpu);
            court.missing(18, None, cpus, &[outer.enter, handler.enter], text);
        }
        _ => court.held(18),
    }
}
