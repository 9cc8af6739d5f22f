//! The summary as text: a table, the points as bars, the pairs that are near.

use std::fmt::Write as _;

use super::{Brief, Scores, Similar, Summary};
use crate::grade::intake::shown;
use crate::grade::report::Outcome;

/// How wide a name may be.
const NAME: usize = 32;
/// How wide a bar may be.
const BAR: usize = 40;
/// How many pairs are shown; all are in `summary.json`.
const PAIRS: usize = 20;

pub(super) fn text(summary: &Summary) -> String {
    let mut text = table(summary);
    for lab in &summary.labs {
        text.push('\n');
        text.push_str(&scores(lab));
    }
    if !summary.similar.is_empty() {
        text.push('\n');
        text.push_str(&similar(&summary.similar));
    }
    text
}

/// A line for each submission, a column for each lab.
fn table(summary: &Summary) -> String {
    let names: Vec<String> = summary
        .submissions
        .iter()
        .map(|row| name(&row.name))
        .collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max(10);
    let mut text = format!("{:width$}", "SUBMISSION");
    for lab in &summary.labs {
        let _ = write!(text, "  {:>6}", format!("LAB {}", lab.lab));
    }
    text.push_str("   POINTS\n");
    for (row, name) in summary.submissions.iter().zip(&names) {
        let _ = write!(text, "{name:width$}");
        if let Some(nothing) = &row.nothing {
            let _ = writeln!(text, "  {}", shown(nothing));
            continue;
        }
        for lab in &summary.labs {
            let brief = row.labs.iter().find(|brief| brief.lab == lab.lab);
            let _ = write!(text, "  {:>6}", cell(brief));
        }
        let points: u32 = row.labs.iter().map(|brief| brief.points).sum();
        let _ = writeln!(text, "  {points:>7}");
    }
    text
}

fn cell(brief: Option<&Brief>) -> String {
    match brief.map(|brief| (brief.outcome, brief)) {
        None => "-".to_owned(),
        Some((Outcome::Graded, brief)) => format!("{}/{}", brief.points, brief.of),
        Some((Outcome::NotGradable, _)) => "cannot".to_owned(),
        Some((Outcome::Infrastructure | Outcome::Running, _)) => "failed".to_owned(),
    }
}

fn scores(lab: &Scores) -> String {
    let Scores {
        graded,
        not_gradable,
        infrastructure,
        ..
    } = lab;
    let mut text = format!("lab {}, {}: {graded} graded", lab.lab, lab.title);
    for (count, what) in [
        (not_gradable, "not gradable"),
        (infrastructure, "failed on this host"),
    ] {
        if *count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text.push('\n');
    if *graded == 0 {
        return text;
    }
    let _ = writeln!(
        text,
        "mean {:.1}, median {}, of {}",
        lab.mean, lab.median, lab.of
    );
    let most = lab
        .distribution
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(1);
    for (points, count) in &lab.distribution {
        // Every count has a mark.
        let bar = "#".repeat((count * BAR / most).max(1));
        let _ = writeln!(text, "{points:>5}  {bar} {count}");
    }
    text
}

fn similar(pairs: &[Similar]) -> String {
    let mut text = String::from(
        "Near to each other beyond what everybody was given; look before you judge:\n",
    );
    for pair in pairs.iter().take(PAIRS) {
        let lines = |lines: &[(usize, usize)]| {
            let each = lines.iter().map(|(first, last)| format!("{first}-{last}"));
            each.collect::<Vec<_>>().join(",")
        };
        let _ = writeln!(
            text,
            "{:>4.0}%  lab {}  {} lines {}  {} lines {}",
            pair.share * 100.0,
            pair.lab,
            name(&pair.one),
            lines(&pair.lines),
            name(&pair.other),
            lines(&pair.other_lines),
        );
    }
    if let Some(more @ 1..) = pairs.len().checked_sub(PAIRS) {
        let _ = writeln!(text, "and {more} more pairs in summary.json");
    }
    text
}

/// Printable, and not wider than [`NAME`].
fn name(name: &str) -> String {
    let shown = shown(name);
    match shown.chars().count() > NAME {
        true => shown.chars().take(NAME - 1).chain(['~']).collect(),
        false => shown,
    }
}
