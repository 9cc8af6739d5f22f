//! From records to a chart.

use crate::ledger::Ledger;
use crate::spans::{lane, spans};
use crate::state::Board;
use crate::{
    Arrow, Change, Chart, Clock, Events, FORMAT, Finding, Look, Page, Shootdown, Span, State,
    operands,
};
use evidence::judge::{INVARIANTS, judge};
use evidence::readings::{self, readings};
use evidence::timeline::Outcome;
use evidence::{Event, Evidence, Kind, Record, Timeline};
use shootdown::{CpuSet, Point};
use std::collections::{HashMap, HashSet};

/// An event to be: a record, or something that no record tells of.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The CPU's number.
    pub cpu: u8,
    /// When, in ticks; not before the entry before it.
    pub time: u64,
    /// Its name.
    pub name: String,
    /// Its operands in words.
    pub text: String,
    /// The line of the source, such as `scoreboard.rs:210`.
    pub source: String,
    /// The record, as an index in the timeline. Records come in their order, and all of them.
    pub record: Option<usize>,
    /// A translation that its CPU now holds: space, address, version.
    pub holds: Option<(u32, u64, u32)>,
}

/// Texts by number, each once.
#[derive(Default)]
struct Texts {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: String) -> u32 {
        if let Some(&number) = self.numbers.get(&text) {
            return number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }
}

/// The chart of `entries`, whose records are those of `timeline`; its findings are left to the caller.
/// `known` are the translations that CPUs hold before anything happens, as CPU, space, address and version.
///
/// # Panics
/// If a record of the timeline is among the entries twice or not at all.
#[must_use]
pub fn build(
    timeline: &Timeline,
    entries: &[Entry],
    cpus: CpuSet,
    clock: Clock,
    known: &[(u8, u32, u64, u32)],
) -> Chart {
    let mut event_of = vec![usize::MAX; timeline.records().len()];
    for (event, entry) in entries.iter().enumerate() {
        if let Some(record) = entry.record {
            assert_eq!(
                event_of[record],
                usize::MAX,
                "record {record} is there twice"
            );
            event_of[record] = event;
        }
    }
    assert!(
        !event_of.contains(&usize::MAX),
        "a record is in no event of the chart"
    );
    let of_records = spans(timeline);
    let (start, changes, pages) = follow(timeline, entries, &of_records, known, cpus);
    let (names, texts, events) = columns(timeline, entries);
    let spans = of_records.iter().map(|span| Span {
        from: event_of[span.from],
        to: span.to.map(|to| event_of[to]),
        ..*span
    });
    Chart {
        format: FORMAT.into(),
        title: String::new(),
        facts: Vec::new(),
        clock,
        cpus: cpus.into_iter().map(lane).collect(),
        names,
        texts,
        events,
        spans: spans.collect(),
        arrows: arrows(timeline, &event_of),
        shootdowns: shootdowns(timeline, &event_of),
        pages,
        start,
        changes,
        findings: Vec::new(),
    }
}

type Followed = (State, Vec<(usize, Change)>, Vec<Page>);

fn follow(
    timeline: &Timeline,
    entries: &[Entry],
    spans: &[Span],
    known: &[(u8, u32, u64, u32)],
    cpus: CpuSet,
) -> Followed {
    let mut ledger = Ledger::new(timeline, spans);
    let mut start = Board::default();
    for &(cpu, space, address, version) in known {
        for change in ledger.holds(cpu, space, address, version) {
            start.change(change);
        }
    }
    let mut changes = Vec::new();
    for (event, entry) in entries.iter().enumerate() {
        if let Some(record) = entry.record {
            changes.extend(ledger.record(record).into_iter().map(|it| (event, it)));
        }
        if let Some((space, address, version)) = entry.holds {
            let held = ledger.holds(entry.cpu, space, address, version);
            changes.extend(held.into_iter().map(|it| (event, it)));
        }
    }
    // Slots begin acknowledged: 1 is what they are made with (I13).
    if changes.iter().any(|(_, it)| matches!(it, Change::Slot(..))) {
        for target in cpus {
            for initiator in cpus.without(target) {
                start.change(Change::Slot(lane(target), lane(initiator), 1));
            }
        }
    }
    (start.state(), changes, ledger.pages)
}

fn columns(timeline: &Timeline, entries: &[Entry]) -> (Vec<String>, Vec<String>, Events) {
    let (mut names, mut texts) = (Texts::default(), Texts::default());
    texts.number(String::new());
    let part_of = parts(timeline);
    let dead = dead(timeline);
    let mut events = Events::default();
    let mut last = entries.first().map_or(0, |first| first.time);
    for entry in entries {
        let shootdown = entry.record.map_or(-1, |record| part_of[record]);
        let look = match entry.record {
            Some(record) if dead.contains(&record) => Look::Stale,
            Some(record) => look(timeline, record, shootdown >= 0),
            None => Look::Other,
        };
        events.cpu.push(entry.cpu);
        events.time.push(entry.time.saturating_sub(last));
        last = last.max(entry.time);
        events.name.push(names.number(entry.name.clone()) as u16);
        events.text.push(texts.number(entry.text.clone()));
        events.source.push(texts.number(entry.source.clone()));
        events.shootdown.push(shootdown);
        events.look.push(look.letter());
    }
    (names.texts, texts.texts, events)
}

/// For each record the number of the shootdown that it is part of, or -1.
fn parts(timeline: &Timeline) -> Vec<i32> {
    let mut parts = vec![-1; timeline.records().len()];
    for (number, shootdown) in timeline.shootdowns().iter().enumerate() {
        let number = number as i32;
        let own = shootdown.steps.iter().chain(&shootdown.stores);
        own.for_each(|&record| parts[record] = number);
        for &service in &shootdown.services {
            let service = &timeline.services()[service];
            let points = [
                service.notice,
                service.copy,
                service.acknowledge,
                service.invalidate,
            ];
            let handler = service.handler.map(|it| &timeline.handlers()[it]);
            let around = handler.map(|it| [Some(it.enter), it.leave]);
            let all = points
                .into_iter()
                .chain(around.into_iter().flatten())
                .flatten();
            all.chain(service.executed.iter().copied())
                .for_each(|record| parts[record] = number);
        }
    }
    parts
}

/// The reads through translations that nobody may use any more.
fn dead(timeline: &Timeline) -> HashSet<usize> {
    let readings = readings(timeline).into_iter();
    let dead = readings.filter(|reading| reading.age == readings::Age::Dead);
    dead.map(|reading| reading.record).collect()
}

fn look(timeline: &Timeline, index: usize, in_shootdown: bool) -> Look {
    let record = &timeline.records()[index];
    match record.event {
        Event::Kind(Kind::Fault) => Look::Fault,
        Event::Kind(Kind::Stale | Kind::Violation | Kind::Stuck) => Look::Stale,
        Event::Kind(Kind::InterruptsOff | Kind::InterruptsOn) => Look::Mask,
        Event::Kind(Kind::Park | Kind::Unpark | Kind::Stop | Kind::Resume) => Look::Stand,
        Event::Kind(Kind::Read) => Look::Read,
        Event::Kind(Kind::Ipi | Kind::Resend) => Look::Interrupt,
        Event::Kind(Kind::End) if record.a == 0 => Look::Good,
        Event::Kind(Kind::End) => Look::Bad,
        Event::Point(Point::PteStore) => Look::Entry,
        Event::Point(Point::Send) => Look::Interrupt,
        _ if in_handler(timeline, record, index) => Look::Target,
        _ if in_shootdown => Look::Initiator,
        _ => Look::Other,
    }
}

fn in_handler(timeline: &Timeline, record: &Record, index: usize) -> bool {
    record.is(Kind::Leave) || timeline.handler_at(record.cpu, index).is_some()
}

fn arrows(timeline: &Timeline, event_of: &[usize]) -> Vec<Arrow> {
    let arrows = timeline.arrows().iter();
    arrows
        .map(|arrow| Arrow {
            from: event_of[arrow.ipi],
            target: lane(arrow.target),
            to: arrow
                .handler
                .map(|handler| event_of[timeline.handlers()[handler].enter]),
            coalesced: arrow.coalesced,
            shootdown: arrow.shootdown,
        })
        .collect()
}

fn shootdowns(timeline: &Timeline, event_of: &[usize]) -> Vec<Shootdown> {
    let shootdowns = timeline.shootdowns().iter();
    shootdowns
        .map(|it| Shootdown {
            initiator: lane(it.initiator),
            targets: it.targets().into_iter().map(lane).collect(),
            generation: it.generation,
            request: it.request.to_string(),
            outcome: match it.outcome {
                Outcome::Acknowledged => "acknowledged",
                Outcome::Abandoned => "abandoned",
                Outcome::Unfinished => "unfinished",
            }
            .into(),
            begin: event_of[it.begin],
            end: it.end.map(|end| event_of[end]),
        })
        .collect()
}

/// The chart of a run's evidence, with what the judge finds in it.
#[must_use]
pub fn of_evidence(title: &str, evidence: &Evidence, timeline: &Timeline) -> Chart {
    let records = timeline.records().iter().enumerate();
    let entries: Vec<Entry> = records
        .map(|(index, record)| Entry {
            cpu: lane(record.cpu),
            time: record.tsc,
            name: record.event.name().into(),
            text: operands(record),
            source: String::new(),
            record: Some(index),
            holds: None,
        })
        .collect();
    let header = evidence.header.as_ref();
    let clock = Clock {
        unit: "tick".into(),
        khz: header.map_or(0, |header| header.tsc_khz),
    };
    let named = header.map_or(0, |header| usize::from(header.cpus));
    let cpus = CpuSet::first(named).or(timeline.cpus());
    let mut chart = build(timeline, &entries, cpus, clock, &[]);
    chart.title = title.into();
    if let Some(header) = header {
        let facts = [
            ("protocol", header.protocol.clone()),
            ("APIC", header.apic.clone()),
            ("mode", header.mode.clone()),
            ("seed", header.seed.to_string()),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value));
        chart.facts.extend(facts);
    }
    if !evidence.is_sound() {
        let defects = match (evidence.verified, evidence.defects.len()) {
            (false, _) => "not checked: there is no key".to_owned(),
            (true, count) => format!("{count} defects"),
        };
        chart.facts.push(("evidence".into(), defects));
    }
    let verdict = judge(evidence, timeline);
    chart.findings = verdict
        .findings
        .iter()
        .map(|it| finding(it.invariant, it.text.clone(), it.records.clone()))
        .collect();
    chart
}

/// A finding, with its invariant's rule.
#[must_use]
pub fn finding(invariant: u8, text: String, events: Vec<usize>) -> Finding {
    let rule = INVARIANTS.iter().find(|it| it.number == invariant);
    Finding {
        invariant,
        rule: rule.map_or_else(String::new, |it| it.rule.into()),
        text,
        events,
    }
}
