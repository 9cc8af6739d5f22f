//! The judge's verdict, for people and for programs.

use std::fmt::Write;

use evidence::Record;
use evidence::judge::{Finding, INVARIANTS, Verdict};
use serde_json::{Value, json};
use shootdown::Point;

use super::{Shown, text};

/// How many findings are told one by one.
const FINDINGS: usize = 20;

/// The table of invariants, and below it what was found.
pub(super) fn text(shown: &Shown, verdict: &Verdict) -> String {
    let mut text = text::summary(shown);
    text.push('\n');
    for (invariant, row) in INVARIANTS.iter().zip(&verdict.rows) {
        let name = format!("I{}", invariant.number);
        let times = row.held + row.broken;
        let times = if times == 0 {
            String::new()
        } else {
            times.to_string()
        };
        let status = row.status();
        let _ = writeln!(
            text,
            "{name:<4} {status:<11} {times:>7}  {}",
            invariant.rule
        );
    }
    for finding in verdict.findings.iter().take(FINDINGS) {
        tell(&mut text, shown, finding);
    }
    let more = verdict.findings.len().saturating_sub(FINDINGS);
    if more > 0 {
        let _ = writeln!(text, "\nand {more} findings more");
    }
    text
}

/// The same as JSON: `sound`, a row for each of `invariants`, all `findings`, and the `defects` of the
/// evidence. CPUs are numbers, times counts of what was looked at, and records their indices in `--records`.
pub(super) fn json(shown: &Shown, verdict: &Verdict) -> Value {
    let rows = INVARIANTS.iter().zip(&verdict.rows);
    let rows = rows.map(|(invariant, row)| {
        json!({ "invariant": name(invariant.number), "status": row.status().to_string(),
            "held": row.held, "broken": row.broken, "rule": invariant.rule })
    });
    let findings = verdict.findings.iter().map(|finding| {
        json!({ "invariant": (finding.invariant != 0).then(|| name(finding.invariant)),
            "cpus": finding.cpus.into_iter().map(shootdown::CpuId::index).collect::<Vec<_>>(),
            "shootdown": finding.shootdown, "records": finding.records, "text": finding.text,
            "fault": finding.fault })
    });
    let defects = shown.evidence.defects.iter().map(ToString::to_string);
    json!({ "sound": verdict.sound, "invariants": rows.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(), "defects": defects.collect::<Vec<_>>() })
}

fn name(invariant: u8) -> String {
    format!("I{invariant}")
}

fn tell(text: &mut String, shown: &Shown, finding: &Finding) {
    let what = match finding.invariant {
        0 => "something".to_owned(),
        number => format!("I{number}"),
    };
    let which = finding
        .shootdown
        .map_or(String::new(), |number| format!(", shootdown {number}"));
    let _ = writeln!(
        text,
        "\n{what} broken, CPUs {}{which}:\n  {}",
        finding.cpus, finding.text
    );
    let records: Vec<String> = finding
        .records
        .iter()
        .map(|&index| at(shown, index))
        .collect();
    let _ = writeln!(text, "  records: {}", records.join("; "));
    if let Some(fault) = finding.fault {
        let record = &shown.timeline.records()[fault];
        let _ = writeln!(
            text,
            "  a fault was injected before: {}, at {}",
            at(shown, fault),
            fault_point(record)
        );
    }
    if let Some(number) = finding.shootdown {
        let _ = writeln!(text, "  see: kit trace {} --shootdown {number}", shown.name);
    }
}

fn at(shown: &Shown, index: usize) -> String {
    let record = &shown.timeline.records()[index];
    format!(
        "CPU {} {} ({})",
        record.cpu,
        record.number,
        record.event.name()
    )
}

fn fault_point(record: &Record) -> &'static str {
    let point = usize::try_from(record.b >> 8).ok();
    let point = point.and_then(|point| Point::ALL.get(point));
    point.map_or("no point", |point| point.name())
}
