//! Liveness: why a shootdown was given up, and whether interrupts arrive where they were sent.

use super::Court;
use crate::Kind;
use crate::timeline::{Outcome, Shootdown};
use alloc::format;
use shootdown::{CpuId, CpuSet, MAX_CPUS};

/// Looks for what an abandoned shootdown waited for in vain.
pub(super) fn judge(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    let Some(end) = shootdown.end else {
        return;
    };
    match shootdown.outcome {
        Outcome::Acknowledged if !shootdown.targets().is_empty() => {
            court.held(7);
            return;
        }
        Outcome::Abandoned => {}
        _ => return,
    }
    // Whoever was not interrupted is judged under I2.
    for culprit in shootdown.targets().and(shootdown.sent) {
        let answered = court.acknowledged(index, culprit);
        if answered.is_none_or(|record| record > end) {
            accuse(court, index, culprit, end);
        }
    }
}

fn accuse(court: &mut Court<'_>, index: usize, culprit: CpuId, end: usize) {
    let (timeline, shootdown) = (court.timeline, court.shootdown(index));
    let arrows = timeline.arrows().iter();
    let taken = arrows
        .filter(|arrow| arrow.shootdown == Some(index) && arrow.target == culprit)
        .filter_map(|arrow| arrow.handler)
        .map(|handler| &timeline.handlers()[handler])
        .rfind(|handler| handler.enter < end);
    let other = shootdown
        .services
        .iter()
        .map(|&service| &timeline.services()[service])
        .filter(|service| service.cpu == culprit)
        .find_map(|service| service.acknowledge.filter(|&record| record < end));
    let (invariant, seen) = if let Some(record) = other {
        let generation = timeline.records()[record].b;
        (
            3,
            format!("it acknowledged generation {generation}, another"),
        )
    } else if [Kind::Park, Kind::Stop]
        .into_iter()
        .any(|kind| court.stands(culprit, end, kind))
    {
        return;
    } else if let Some(handler) = taken {
        match handler.leave {
            // Judged as not drained.
            Some(leave) if leave < end => return,
            _ => (0, "its handler was under way all the time".into()),
        }
    } else if waits(court, culprit, shootdown, end) {
        (
            7,
            "it took no interrupt while it waited for others itself".into(),
        )
    } else {
        (18, "it took no interrupt, though one was sent".into())
    };
    let text = format!("expected CPU {culprit} to acknowledge; {seen}");
    let concerned = CpuSet::only(culprit).with(shootdown.initiator);
    court.missing(
        invariant,
        Some(index),
        concerned,
        &[shootdown.begin, end],
        text,
    );
}

/// Whether `cpu` initiated a shootdown that lasted as long as `shootdown` waited, up to `end`.
fn waits(court: &Court<'_>, cpu: CpuId, shootdown: &Shootdown, end: usize) -> bool {
    let begun = court
        .timeline
        .shootdowns()
        .partition_point(|other| other.begin < end);
    let others = &court.timeline.shootdowns()[..begun];
    let last = others.iter().rev().find(|other| other.initiator == cpu);
    last.is_some_and(|other| other.end.is_none_or(|ended| ended > shootdown.begin))
}

/// I14 and the rest of I18: a CPU takes no more interrupts than were sent to it.
pub(super) fn judge_interrupts(court: &mut Court<'_>) {
    let timeline = court.timeline;
    let mut taken = alloc::vec![false; timeline.handlers().len()];
    for arrow in timeline.arrows() {
        if let Some(handler) = arrow.handler {
            taken[handler] = true;
        }
    }
    let mut spare = [0_u64; MAX_CPUS];
    let mut coalesced = timeline.arrows().iter().peekable();
    for (number, handler) in timeline.handlers().iter().enumerate() {
        // Two that were sent before a handler began may have been taken by two: the first left
        // the controller's pending bit before the second came.
        while let Some(arrow) = coalesced.next_if(|arrow| arrow.ipi < handler.enter) {
            spare[arrow.target.index()] += u64::from(arrow.coalesced);
        }
        let spare = &mut spare[handler.cpu.index()];
        if taken[number] {
            court.held(14);
        } else if *spare > 0 {
            *spare -= 1;
            court.held(14);
        } else {
            let text = format!(
                "expected CPU {0} to take only what was sent to it, it took interrupt {1:#x}, which was not",
                handler.cpu, handler.vector
            );
            let everyone = timeline.cpus();
            if court.lossy.and(everyone).is_empty() {
                court.broken(14, None, CpuSet::only(handler.cpu), &[handler.enter], text);
            } else {
                court.unjudged(14);
            }
        }
    }
}
