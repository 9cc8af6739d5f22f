//! Charts of a shootdown by CPU 0 of a page that CPU 1 holds.

use super::*;
use evidence::{Event, Evidence, Kind, Place, Purpose, Record, Timeline};
use serde_json::json;
use shootdown::{CpuId, Operation, Point};

const PAGE: u64 = 0x40_0000;
const SPACE: u64 = 1;
const VECTOR: u64 = 0xf4;

fn cpu(index: usize) -> CpuId {
    CpuId::new(index).unwrap()
}

fn records(invalidates: bool) -> Vec<Record> {
    let slot = Place {
        purpose: Purpose::Slot,
        target: Some(cpu(1)),
        initiator: Some(cpu(0)),
    };
    let slot = slot.packed();
    let (a, b) = (PAGE | Operation::Page as u64, (PAGE + 4096) | SPACE);
    let read = |seen: u64, truth: u64| (PAGE | SPACE, seen << 32 | truth);
    let mut all: Vec<(usize, Event, u64, u64)> = Vec::new();
    let mut push = |cpu, event: Event, (a, b)| all.push((cpu, event, a, b));
    push(1, Kind::LoadCr3.into(), (SPACE, 0));
    push(1, Kind::Read.into(), read(1, 1));
    push(0, Point::PteStore.into(), (PAGE | 1, b));
    push(0, Kind::Begin.into(), (a, b));
    push(0, Kind::Holders.into(), (0b10, 0b11));
    push(0, Point::Generation.into(), (0, 1));
    push(0, Point::Zero.into(), (slot, 0));
    push(0, Point::Send.into(), (0b10, 0));
    push(0, Kind::Ipi.into(), (0b10, VECTOR));
    push(0, Point::Wait.into(), (0, 0));
    push(1, Kind::Enter.into(), (VECTOR, 0));
    push(1, Point::Acknowledge.into(), (slot, 1));
    push(0, Point::Done.into(), (0, 0));
    push(0, Kind::End.into(), (0, 1));
    push(1, Point::Invalidate.into(), (a, b));
    if invalidates {
        push(1, Kind::Invlpg.into(), (PAGE, SPACE));
    }
    push(1, Kind::Leave.into(), (VECTOR, 1));
    push(
        1,
        Kind::Read.into(),
        if invalidates { read(2, 2) } else { read(1, 2) },
    );
    let mut numbers = [0; 2];
    let record = |(time, (index, event, a, b)): (usize, (usize, Event, u64, u64))| {
        numbers[index] += 1;
        Record {
            cpu: cpu(index),
            number: numbers[index] - 1,
            tsc: 1000 + 10 * time as u64,
            event,
            a,
            b,
        }
    };
    all.into_iter().enumerate().map(record).collect()
}

fn chart(invalidates: bool) -> Chart {
    let evidence = Evidence {
        header: None,
        records: records(invalidates),
        totals: Some(vec![9, 9]),
        defects: Vec::new(),
        verified: true,
    };
    of_evidence("a run", &evidence, &Timeline::new(evidence.records.clone()))
}

/// The event of that name, counted from 0.
fn event(chart: &Chart, name: &str, nth: usize) -> usize {
    let events = chart.events.name.iter().enumerate();
    let mut named = events.filter(|(_, number)| chart.names[usize::from(**number)] == name);
    named.nth(nth).unwrap().0
}

fn spans(chart: &Chart, of: Of) -> Vec<(u8, usize, Option<usize>)> {
    let spans = chart.spans.iter().filter(|span| span.of == of);
    spans.map(|span| (span.cpu, span.from, span.to)).collect()
}

#[test]
fn a_stale_window_where_there_is_none_or_none_where_there_is_one() {
    let right = chart(true);
    assert_eq!(spans(&right, Of::Stale), []);
    // It may be used until it is invalidated, though the shootdown returns before: its handler is under way.
    let (store, invlpg) = (event(&right, "pte-store", 0), event(&right, "invlpg", 0));
    assert_eq!(spans(&right, Of::Old), [(1, store, Some(invlpg))]);
    assert!(right.findings.is_empty() && !right.events.look.contains('s'));
    let wrong = chart(false);
    let leave = event(&wrong, "leave", 0);
    assert_eq!(spans(&wrong, Of::Old), [(1, store, Some(leave))]);
    assert_eq!(spans(&wrong, Of::Stale), [(1, leave, None)]);
    assert_eq!(wrong.findings[0].invariant, 5);
    assert_eq!(wrong.events.look.find('s'), Some(event(&wrong, "read", 1)));
}

#[test]
fn a_state_that_is_another_s() {
    let wrong = chart(false);
    let held = |name, nth| {
        let state = wrong.state_at(event(&wrong, name, nth));
        let tlb = state
            .tlbs
            .first()
            .map(|&(_, _, held)| (held.version, held.age));
        (
            state
                .slots
                .iter()
                .find(|(target, ..)| *target == 1)
                .unwrap()
                .2,
            tlb,
        )
    };
    assert_eq!(held("load-cr3", 0), (1, None));
    assert_eq!(held("read", 0), (1, Some((0, Age::Fresh))));
    assert_eq!(held("pte-store", 0), (1, Some((0, Age::Old))));
    assert_eq!(held("zero", 0), (0, Some((0, Age::Old))));
    assert_eq!(held("acknowledge", 0), (1, Some((0, Age::Old))));
    assert_eq!(held("leave", 0), (1, Some((0, Age::Stale))));
    let right = chart(true);
    let after = |name, nth| right.state_at(event(&right, name, nth)).tlbs;
    assert_eq!(after("invlpg", 0), []);
    assert_eq!(after("read", 1)[0].2.age, Age::Fresh);
}

#[test]
fn an_interrupt_without_its_handler() {
    let chart = chart(true);
    let (ipi, enter) = (event(&chart, "ipi", 0), event(&chart, "enter", 0));
    assert_eq!(
        chart.arrows,
        [Arrow {
            from: ipi,
            target: 1,
            to: Some(enter),
            coalesced: false,
            shootdown: Some(0)
        }]
    );
}

#[test]
fn a_chart_that_is_lost_in_a_report_or_changed_by_it() {
    let (one, two) = (chart(true), chart(false));
    let report = json!({ "tests": [{ "name": "x", "chart": one }, { "more": { "deep": [two] } }] });
    let text = report.to_string();
    assert_eq!(
        find(&serde_json::from_str(&text).unwrap()),
        Ok(vec![one, two])
    );
    assert_eq!(find(&json!({ "format": "another/1" })), Ok(vec![]));
}

#[test]
fn a_chart_that_refers_to_nothing_taken_for_one() {
    let sound = serde_json::to_value(chart(false)).unwrap();
    let broken = [
        ("/format", json!("shootdown-chart/9")),
        ("/events/cpu/0", json!(7)),
        ("/events/name/0", json!(99)),
        ("/events/text/0", json!(9999)),
        ("/events/shootdown/3", json!(8)),
        ("/events/look", json!("..")),
        ("/spans/0/from", json!(999)),
        ("/arrows/0/to", json!(999)),
        ("/shootdowns/0/begin", json!(-1)),
        ("/changes/0/0", json!(999)),
        ("/findings/0/events/0", json!(999)),
        ("/pages", json!([])),
    ];
    for (place, value) in broken {
        let mut chart = sound.clone();
        *chart.pointer_mut(place).unwrap() = value;
        assert!(find(&chart).unwrap_err().contains("a chart"), "{place}");
    }
    assert!(find(&sound).is_ok());
}

#[test]
fn a_part_that_says_something_else_than_the_whole() {
    let whole = chart(false);
    let stale = event(&whole, "read", 1);
    assert_eq!(whole.around(&[stale], 1000), whole);
    let count = whole.events.cpu.len();
    for most in 1..count {
        for wanted in 0..count {
            let part = whole.around(&[wanted], most);
            part.check().unwrap();
            assert_eq!(part.events.cpu.len(), most);
            let begin = (0..=count - most).find(|begin| {
                part.facts
                    .last()
                    .unwrap()
                    .1
                    .starts_with(&format!("events {begin} to "))
            });
            let begin = begin.unwrap();
            assert!(
                (begin..begin + most).contains(&wanted),
                "{wanted} of {most}"
            );
            for event in 0..most {
                let words = |chart: &Chart, event: usize| {
                    let events = &chart.events;
                    (
                        events.cpu[event],
                        chart.texts[events.text[event] as usize].clone(),
                        events.look.as_bytes()[event],
                    )
                };
                assert_eq!(words(&part, event), words(&whole, begin + event));
                assert_eq!(
                    part.state_at(event),
                    whole.state_at(begin + event),
                    "{event} from {begin}"
                );
            }
            let lost = |chart: &Chart| chart.arrows.iter().filter(|it| it.to.is_none()).count();
            assert_eq!(lost(&part), lost(&whole));
        }
    }
    let part = whole.around(&[stale], 6);
    assert_eq!(part.findings.len(), whole.findings.len());
    assert!(part.spans.iter().any(|span| span.of == Of::Stale));
}
