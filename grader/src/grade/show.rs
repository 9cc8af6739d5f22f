//! A verdict as a person reads it.

use std::io::{self, IsTerminal};

use super::report::{Checked, Outcome, Passed, Report};
use crate::say;

/// How wide the column of points is.
const POINTS: usize = 7;

/// One check: a line, and everything about it if `whole` and it did not pass.
pub fn check(checked: &Checked, whole: bool) {
    let points = format!("{}/{}", checked.points, checked.of);
    let (mark, code) = match checked.passed {
        Passed::Yes => ("ok  ", "32"),
        Passed::No => ("FAIL", "1;31"),
        Passed::Skipped | Passed::Pending => ("-   ", "2"),
    };
    let mark = match io::stdout().is_terminal() && say::colour_allowed() {
        true => format!("\x1b[{code}m{mark}\x1b[0m"),
        false => mark.to_owned(),
    };
    let more = match (&checked.dependency, checked.passed) {
        (Some(id), _) => format!(" (after `{id}`)"),
        (None, Passed::Yes) if !checked.looked.is_empty() => format!(" ({})", checked.looked),
        (None, Passed::No) if !whole && !checked.actual.is_empty() => {
            format!(": {}", checked.actual.lines().next().unwrap_or_default())
        }
        _ => String::new(),
    };
    println!("{mark}  {points:>POINTS$}  {}{more}", checked.description);
    if whole && checked.passed == Passed::No {
        explain(checked);
    }
}

fn explain(checked: &Checked) {
    println!();
    for line in checked.log.lines() {
        println!("{}", format!("      {line}").trim_end());
    }
    if !checked.log.is_empty() {
        println!();
    }
    if let Some(invariant) = checked.invariant {
        println!("      breaks    I{invariant}");
    }
    for (label, text) in [
        ("given", checked.input.as_str()),
        ("expected", &checked.expected),
        ("seen", &checked.actual),
        ("why", &checked.rationale),
        ("hint", &checked.hint),
        ("again", checked.reproduce.as_deref().unwrap_or_default()),
    ] {
        for (number, line) in text.lines().enumerate() {
            let label = if number == 0 { label } else { "" };
            println!("      {label:<9} {line}");
        }
    }
    println!();
}

/// What came of it.
pub fn outcome(report: &Report) {
    let Report {
        submission,
        lab,
        points,
        of,
        ..
    } = report;
    match report.outcome {
        Outcome::Graded => println!("{submission}, lab {lab}: {points} of {of} points"),
        Outcome::NotGradable => println!("{submission}, lab {lab}: not gradable"),
        Outcome::Infrastructure => {
            println!("{submission}, lab {lab}: not graded, this host failed");
        }
        Outcome::Running => println!("{submission}, lab {lab}: not over"),
    }
    for line in report.reason.lines() {
        println!("  {line}");
    }
    if let Some(value) = report.leaderboard {
        leaderboard(value);
    }
    println!("confined by {}", report.sandbox);
}

/// Prints what solutions are compared by.
pub fn leaderboard(value: u64) {
    println!(
        "leaderboard {value}: instructions, 200 for each write of the command register, 50 for each transfer in a schedule"
    );
}
