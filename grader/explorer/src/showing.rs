//! A story as a chart, for the viewer: every moment that people are told of is an event, a step long.
//!
//! Slots and entries change with the store, not when it leaves the store buffer; that is an event of
//! its own. What TLBs hold is told only where CPUs stay in one space: a chart has no PCIDs.

use crate::host::{SPACE, address};
use crate::op::Op;
use crate::report::{rule, source, verdict, words};
use crate::story::{Story, What};
use chart::{Chart, Clock, Entry, build, finding, operands};
use evidence::Timeline;
use shootdown::{CpuId, CpuSet};

/// The chart of a story of `scene`, which has so many CPUs and pages.
#[must_use]
pub fn chart(subject: &str, scene: &crate::scenes::Named, story: &Story) -> Chart {
    let timeline = Timeline::new(story.records.clone());
    let switches = scene.scene.switching.is_some();
    let entries = entries(story, switches);
    let cpus = CpuSet::first(scene.scene.cpus);
    let pages = if switches { 0 } else { scene.scene.pages };
    let known: Vec<_> = cpus
        .into_iter()
        .flat_map(|cpu| (0..pages).map(move |page| (number(cpu), SPACE.0, address(page), 0)))
        .collect();
    let clock = Clock {
        unit: "step".into(),
        khz: 0,
    };
    let mut chart = build(&timeline, &entries, cpus, clock, &known);
    chart.title = format!("{subject}, scene `{}`: {}", scene.name, scene.doc);
    chart.facts.push(("protocol".into(), subject.into()));
    if let Some(violation) = &story.violation {
        chart.facts.push(("ends".into(), violation.to_string()));
        let verdict = verdict(story, violation);
        let last = entries.len().saturating_sub(1);
        let text = verdict.words.unwrap_or_else(|| violation.to_string());
        let mut finding = finding(verdict.invariant, text, vec![last]);
        finding.rule = rule(verdict.invariant).into();
        chart.findings.push(finding);
    }
    chart
}

fn number(cpu: CpuId) -> u8 {
    cpu.index() as u8
}

fn entries(story: &Story, switches: bool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut records = story.records.iter().zip(&story.moment_of).enumerate();
    let mut records = records.by_ref().peekable();
    for (moment_number, moment) in story.moments.iter().enumerate() {
        let told = words(&moment.what, story);
        let before = entries.len();
        let entry = |name: &str, text: String, record| Entry {
            cpu: number(moment.cpu),
            time: 0,
            name: name.into(),
            text,
            source: source(moment.at.as_ref()),
            record,
            holds: None,
        };
        while let Some((index, (record, _))) =
            records.next_if(|(_, (_, of))| **of == Some(moment_number))
        {
            // What the moment says is said once, with its first record.
            let first = entries.len() == before;
            let name = record.event.name();
            let own = told.as_deref().filter(|_| first);
            let own = own
                .map(|told| rest(told, name))
                .filter(|text| !text.is_empty());
            let text = own.map_or_else(|| operands(record), str::to_owned);
            entries.push(entry(name, text, Some(index)));
        }
        if entries.len() == before
            && let Some(told) = &told
        {
            let name = name(&moment.what);
            entries.push(entry(name, rest(told, name).to_owned(), None));
        }
        if let (What::Walks { page, version }, Some(last), false) =
            (moment.what, entries.last_mut(), switches)
        {
            last.holds = Some((SPACE.0, address(page), u32::from(version)));
        }
    }
    for (index, (record, _)) in records {
        entries.push(Entry {
            cpu: number(record.cpu),
            time: 0,
            name: record.event.name().into(),
            text: operands(record),
            source: String::new(),
            record: Some(index),
            holds: None,
        });
    }
    for (step, entry) in entries.iter_mut().enumerate() {
        entry.time = step as u64;
    }
    entries
}

/// What `told` says besides `name`, with which it may begin.
fn rest<'t>(told: &'t str, name: &str) -> &'t str {
    let after = told.strip_prefix(name).unwrap_or(told);
    let after = after
        .strip_prefix(": ")
        .or(after.strip_prefix("s "))
        .unwrap_or(after);
    if after.starts_with(name) {
        rest(after, name)
    } else {
        after
    }
}

/// What a moment is called that no record tells of.
fn name(what: &What) -> &'static str {
    match what {
        What::Commits { .. } => "visible",
        What::Walks { .. } => "walk",
        What::Moves { .. } => "migrate",
        What::Loses => "lose",
        What::Repeats => "repeat",
        What::Expires => "expire",
        What::GivesUp => "give-up",
        What::Accepts => "accept",
        What::TakesNmi { .. } => "nmi",
        What::Disturbs => "disturb",
        What::Ends(_) => "ends",
        What::Asks { op, .. } => operation(*op),
        What::Enters | What::Leaves | What::Switches { .. } | What::Abandons(_) => "moment",
    }
}

fn operation(op: Op) -> &'static str {
    match op {
        Op::Load { .. } => "load",
        Op::Store { .. } | Op::Modify { .. } => "store",
        Op::Fence(_) => "fence",
        Op::Pin => "pinned",
        Op::Unpin => "unpinned",
        Op::EnterCritical => "enter-critical",
        Op::LeaveCritical => "leave-critical",
        Op::SpinAgain { .. } => "spin",
        Op::IcrHigh(_) => "icr-high",
        Op::SetCurrent(_) => "current",
        _ => "operation",
    }
}
