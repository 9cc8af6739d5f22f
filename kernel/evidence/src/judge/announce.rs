//! The initiator's side: what it wrote, in which order, whom it told, when it went on.

use super::Court;
use crate::timeline::Outcome;
use crate::{Event, Kind};
use alloc::format;
use shootdown::{CpuSet, Point};

pub(super) fn judge(court: &mut Court<'_>, index: usize) {
    published_before_zeroed(court, index);
    interrupted(court, index);
    sent_to_those_asked(court, index);
    generation(court, index);
    waited(court, index);
    request_kept(court, index);
    stayed(court, index);
}

/// I1: nothing of the request is written once it was announced.
fn published_before_zeroed(court: &mut Court<'_>, index: usize) {
    let Some(zero) = court.steps(index, Point::Zero.into()).next() else {
        return;
    };
    let written = court
        .steps(index, Point::Publish.into())
        .chain(court.steps(index, Point::Generation.into()));
    let initiator = CpuSet::only(court.shootdown(index).initiator);
    match written.max() {
        Some(late) if late > zero => {
            let name = court.timeline.records()[late].event.name();
            let text =
                format!("expected the whole request before the first zero, saw {name} after it");
            court.broken(1, Some(index), initiator, &[zero, late], text);
        }
        _ => court.held(1),
    }
}

/// I2: whoever was asked by a zero, or was to be sent an interrupt, was interrupted.
fn interrupted(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    let meant = meant(court, index);
    if shootdown.outcome == Outcome::Unfinished {
        return;
    }
    for target in shootdown.zeroed.or(meant) {
        // Another's interrupt may have brought it there: a queue that is not empty needs none.
        let served = court.acknowledged(index, target);
        let in_time = served.is_some_and(|record| shootdown.end.is_none_or(|end| record < end));
        if shootdown.sent.contains(target) || in_time {
            court.held(2);
            continue;
        }
        let text = format!("expected an interrupt to CPU {target}, which was asked; none was sent");
        let concerned = CpuSet::only(target).with(shootdown.initiator);
        court.missing(2, Some(index), concerned, &[shootdown.begin], text);
    }
}

/// The CPUs to which the protocol meant its interrupts to go.
fn meant(court: &Court<'_>, index: usize) -> CpuSet {
    let sends = court.steps(index, Point::Send.into());
    let announced = court
        .steps(index, Point::Publish.into())
        .last()
        .unwrap_or(0);
    sends
        .filter(|&send| send > announced)
        .map(|send| court.timeline.records()[send].cpus())
        .fold(CpuSet::EMPTY, CpuSet::or)
}

/// I11: of those who are zeroed and those who are sent to, the second are among the first. And
/// I14: an interrupt goes where it was meant to go.
fn sent_to_those_asked(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    if shootdown.zeroed.is_empty() || shootdown.sent.is_empty() {
        return;
    }
    let surplus = shootdown.sent.minus(shootdown.zeroed);
    if surplus.is_empty() {
        return court.held(11);
    }
    let astray = surplus.minus(meant(court, index));
    let invariant = if astray.is_empty() { 11 } else { 14 };
    let sent = court.steps(index, Kind::Ipi.into()).last();
    let text = format!(
        "expected interrupts to CPUs {} only, who were asked; one went to {surplus}",
        shootdown.zeroed
    );
    let records = [sent.unwrap_or(shootdown.begin)];
    let concerned = surplus.with(shootdown.initiator);
    court.missing(invariant, Some(index), concerned, &records, text);
}

/// I12: the generation is not 0, and not that of the request before.
fn generation(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    let Some(generation) = shootdown.generation else {
        return;
    };
    let published = court.steps(index, Point::Generation.into()).last();
    let record = published.or(shootdown.end).unwrap_or(shootdown.begin);
    let initiator = CpuSet::only(shootdown.initiator);
    let earlier = &court.timeline.shootdowns()[..index];
    let before = earlier
        .iter()
        .rev()
        .find(|other| other.initiator == shootdown.initiator && other.generation.is_some())
        .and_then(|other| other.generation);
    if generation == 0 {
        let text = format!(
            "expected a generation that is not 0, CPU {} published 0",
            shootdown.initiator
        );
        court.broken(12, Some(index), initiator, &[record], text);
    } else if before == Some(generation) {
        let text = format!("expected the generation after {generation}, saw {generation} again");
        court.broken(12, Some(index), initiator, &[record], text);
    } else {
        court.held(12);
    }
}

/// I3: a shootdown that says it was acknowledged was, by each of its targets.
fn waited(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    let (Outcome::Acknowledged, Some(end)) = (shootdown.outcome, shootdown.end) else {
        return;
    };
    // Of generation 0 no acknowledgement can be told from a zero.
    if shootdown.generation == Some(0) {
        return;
    }
    for target in shootdown.targets() {
        let concerned = CpuSet::only(target).with(shootdown.initiator);
        match court.acknowledged(index, target) {
            Some(record) if record < end => court.held(3),
            Some(record) => {
                let text = format!(
                    "expected the wait to end after CPU {target} acknowledged, it ended before"
                );
                court.broken(3, Some(index), concerned, &[end, record], text);
            }
            None => {
                let text = format!(
                    "expected an acknowledgement by CPU {target} before the wait ended; there is none"
                );
                court.missing(3, Some(index), concerned, &[end], text);
            }
        }
    }
}

/// I3: the next request in the same words is not written while this one may be read.
fn request_kept(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    // Who waited for all cannot overwrite early; that is judged by `waited`.
    if shootdown.outcome != Outcome::Abandoned {
        return;
    }
    let records = court.timeline.records();
    let Some(published) = court.steps(index, Point::Publish.into()).last() else {
        return;
    };
    let place = records[published].a;
    let again = (published + 1..records.len()).find(|&later| {
        records[later].event == Event::Point(Point::Publish) && records[later].a == place
    });
    let Some(again) = again else {
        return;
    };
    for target in shootdown.targets() {
        let concerned = CpuSet::only(target).with(shootdown.initiator);
        if court
            .acknowledged(index, target)
            .is_some_and(|record| record < again)
        {
            court.held(3);
        } else {
            let text = format!(
                "expected the abandoned request to stay until CPU {target} acknowledged, it was overwritten"
            );
            court.missing(3, Some(index), concerned, &[published, again], text);
        }
    }
}

/// I19: the initiator is pinned: it ends where it began, and no other thread runs there between.
fn stayed(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    let concerned = CpuSet::only(shootdown.initiator);
    let mut parked = 0;
    for &step in &shootdown.steps {
        match court.timeline.records()[step].event {
            // A parked CPU runs the shell's thread meanwhile, and comes back.
            Event::Kind(Kind::Park) => parked += 1,
            Event::Kind(Kind::Unpark) => parked -= 1,
            Event::Kind(Kind::Switch) if parked <= 0 => {
                let text = format!(
                    "expected CPU {} to run nothing else until the shootdown ended, it switched threads",
                    shootdown.initiator
                );
                return court.missing(19, Some(index), concerned, &[shootdown.begin, step], text);
            }
            _ => {}
        }
    }
    match shootdown.end {
        Some(_) => court.held(19),
        None => lost_its_end(court, index),
    }
}

/// A shootdown without an end, though its CPU began another: it ended elsewhere.
fn lost_its_end(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    let later = &court.timeline.shootdowns()[index + 1..];
    let next = later
        .iter()
        .find(|other| other.initiator == shootdown.initiator);
    if let Some(next) = next {
        let text = format!(
            "expected CPU {} to end this shootdown before it began the next, it did not",
            shootdown.initiator
        );
        let concerned = CpuSet::only(shootdown.initiator);
        court.missing(
            19,
            Some(index),
            concerned,
            &[shootdown.begin, next.begin],
            text,
        );
    }
}
