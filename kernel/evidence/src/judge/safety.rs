//! Safety, by the kernel's own records alone: after a shootdown nobody can use what it took away.

use super::Court;
use super::serve::incomplete;
use crate::timeline::{Outcome, Shootdown};
use crate::{Kind, Record};
use alloc::format;
use alloc::vec::Vec;
use shootdown::{CpuId, CpuSet, SpaceId};

/// For each CPU that might hold a translation as the shootdown began: it has forgotten it before
/// the shootdown returned, or, if its handler was under way then, before that handler ended.
pub(super) fn judge(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    if shootdown.request.operation.is_none() || shootdown.outcome != Outcome::Acknowledged {
        return;
    }
    let in_force = in_force(court, shootdown);
    let mut holders = shootdown.holders.or(in_force);
    if let Some(asked) = shootdown.asked {
        holders = holders.and(asked);
    }
    for holder in holders {
        forgot(court, index, holder);
    }
}

/// The CPUs that by their own records have the space in force as the shootdown begins.
fn in_force(court: &Court<'_>, shootdown: &Shootdown) -> CpuSet {
    if shootdown.request.space == SpaceId::KERNEL {
        return CpuSet::EMPTY;
    }
    let cpus = court.timeline.cpus().into_iter();
    cpus.filter(|&cpu| {
        court.timeline.space_at(cpu, shootdown.begin) == Some(shootdown.request.space)
    })
    .collect()
}

fn forgot(court: &mut Court<'_>, index: usize, holder: CpuId) {
    let (timeline, shootdown) = (court.timeline, court.shootdown(index));
    let (request, begin) = (&shootdown.request, shootdown.begin);
    let Some(end) = shootdown.end else {
        return;
    };
    // Its bit may still be set though it has just left: then its CR3 load forgot everything.
    let space = timeline.space_at(holder, begin);
    let left =
        request.space != SpaceId::KERNEL && space.is_some_and(|space| space != request.space);
    if left {
        return;
    }
    let forgotten = timeline.forgotten(holder, begin, request);
    let deadline = Deadline::of(court, holder, end);
    match (forgotten, deadline.record) {
        (Some(forgotten), Some(by)) if forgotten <= by => {
            court.held(if deadline.stopped { 15 } else { 5 });
        }
        (Some(_), None) => court.held(5),
        // The records end before its handler does.
        (None, None) => court.unjudged(5),
        (_, Some(record)) => {
            let late = forgotten.map_or("it has not".into(), |late| {
                let ticks = timeline.tsc(late).saturating_sub(timeline.tsc(record));
                format!("it did {ticks} ticks later")
            });
            let invariant = blame(court, shootdown, holder, deadline.stopped);
            let text = format!(
                "expected CPU {holder} to have forgotten {request} before {}; {late}",
                deadline.what
            );
            let concerned = CpuSet::only(holder).with(shootdown.initiator);
            let records: &[usize] = match forgotten {
                Some(late) => &[begin, record, late],
                None => &[begin, record],
            };
            court.missing(invariant, Some(index), concerned, records, text);
        }
    }
}

/// When a holder must have forgotten.
struct Deadline {
    /// The record by which; `None` if the records end before.
    record: Option<usize>,
    /// What happens then.
    what: &'static str,
    /// Whether the CPU was stopped as the shootdown returned.
    stopped: bool,
}

impl Deadline {
    fn of(court: &Court<'_>, holder: CpuId, end: usize) -> Deadline {
        let timeline = court.timeline;
        if let Some(handler) = timeline.handler_at(holder, end) {
            return Deadline {
                record: handler.leave,
                what: "its handler ended",
                stopped: false,
            };
        }
        let records = timeline.records();
        let stopped = court.stands(holder, end, Kind::Stop);
        if !stopped {
            return Deadline {
                record: Some(end),
                what: "the shootdown returned",
                stopped,
            };
        }
        let after = timeline.after(holder, end).iter().copied();
        Deadline {
            record: after
                .into_iter()
                .find(|&index| records[index].is(Kind::Resume)),
            what: "it ran on after its stop",
            stopped,
        }
    }
}

/// Which invariant a CPU that kept a translation speaks against.
fn blame(court: &Court<'_>, shootdown: &Shootdown, holder: CpuId, stopped: bool) -> u8 {
    let services = shootdown.services.iter();
    let served = services
        .map(|&service| &court.timeline.services()[service])
        .find(|service| service.cpu == holder);
    let Some(service) = served else {
        let asked = holder == shootdown.initiator || shootdown.targets().contains(holder);
        return match (stopped, asked) {
            (true, _) => 15,
            (_, true) => 5,
            // Nobody asked it.
            _ => 8,
        };
    };
    let records = court.timeline.records();
    let performed = service.invalidate.map(|index| records[index].range());
    if let Some(performed) = performed
        && !performed.includes(&shootdown.request)
    {
        // Some of its pages, or what another request says.
        let some = performed.space == shootdown.request.space
            && performed.start == shootdown.request.start;
        return if some { 17 } else { 1 };
    }
    let executed: Vec<&Record> = service
        .executed
        .iter()
        .map(|&index| &records[index])
        .collect();
    incomplete(&executed, &shootdown.request)
}
