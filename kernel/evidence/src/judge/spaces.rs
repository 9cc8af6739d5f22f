//! Entering and leaving spaces, and what the kernel itself found wrong.

use super::Court;
use crate::{Event, Kind, Record};
use alloc::format;
use shootdown::{CpuSet, Point, SpaceId};

pub(super) fn judge(court: &mut Court<'_>) {
    for index in 0..court.timeline.shootdowns().len() {
        active_where_in_force(court, index);
    }
    for cpu in court.timeline.cpus() {
        switched_as_one(court, cpu);
    }
    for (index, record) in court.timeline.records().iter().enumerate() {
        reported(court, index, record);
    }
}

/// I8: a CPU whose CR3 holds a space's tables is in the active set.
fn active_where_in_force(court: &mut Court<'_>, index: usize) {
    let shootdown = court.shootdown(index);
    let space = shootdown.request.space;
    if space == SpaceId::KERNEL || shootdown.request.operation.is_none() {
        return;
    }
    for cpu in court.timeline.cpus() {
        if court.timeline.space_at(cpu, shootdown.begin) != Some(space) {
            continue;
        }
        if shootdown.holders.contains(cpu) {
            court.held(8);
            continue;
        }
        let text = format!(
            "expected CPU {cpu}, which has space {space} in force, in its active set; the set is {}",
            shootdown.holders
        );
        let concerned = CpuSet::only(cpu).with(shootdown.initiator);
        court.missing(8, Some(index), concerned, &[shootdown.begin], text);
    }
}

/// I10: no interrupt between entering an active set and loading CR3.
fn switched_as_one(court: &mut Court<'_>, cpu: shootdown::CpuId) {
    let timeline = court.timeline;
    let mut entering = None;
    for &index in timeline.of(cpu) {
        match timeline.records()[index].event {
            Event::Point(Point::Activate) => entering = Some(index),
            Event::Kind(Kind::LoadCr3) if entering.take().is_some() => court.held(10),
            Event::Kind(Kind::Enter) => {
                if let Some(activate) = entering {
                    let text = format!(
                        "expected CPU {cpu} to load CR3 before it took an interrupt, it took one between"
                    );
                    court.broken(10, None, CpuSet::only(cpu), &[activate, index], text);
                }
            }
            _ => {}
        }
    }
}

/// What the kernel itself reports.
fn reported(court: &mut Court<'_>, index: usize, record: &Record) {
    let cpu = record.cpu;
    let (invariant, text) = match record.event {
        Event::Kind(Kind::Stale) => {
            let (page, space) = (record.a & !0xfff, record.a & 0xfff);
            let (read, wanted) = (record.b >> 32, record.b & 0xffff_ffff);
            let text = format!(
                "expected CPU {cpu} to read {wanted:#x} at {page:#x} of space {space}, it read {read:#x}: a stale translation"
            );
            (5, text)
        }
        Event::Kind(Kind::Violation) => {
            let number = u8::try_from(record.a).unwrap_or(0);
            (number, format!("CPU {cpu} reports a violation"))
        }
        _ => return,
    };
    court.broken(invariant, None, CpuSet::only(cpu), &[index], text);
}
