//! Gradescope: `/autograder/results/results.json`, written by `run_autograder`.
//!
//! The contract is <https://gradescope-autograders.readthedocs.io/en/latest/specs/>. A run that leaves no results is
//! shown as one that failed, with no score: that is what comes of a host's failure. Gradescope knows nothing between
//! that and a score, so a submission that cannot be graded has 0 points and says why.

use serde::Serialize;

use super::json;
use super::package::{Made, Package};
use super::told::{Told, fitting, points, text, told};
use crate::grade::report::Report;
use crate::status::Failure;

/// No limit is published; browsers show this much with ease.
const MOST: usize = 1 << 20;

#[derive(Serialize)]
struct Results {
    score: u32,
    output: String,
    output_format: &'static str,
    test_output_format: &'static str,
    /// What a run prints is for instructors.
    stdout_visibility: &'static str,
    tests: Vec<Test>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    leaderboard: Vec<Entry>,
}

#[derive(Serialize)]
struct Test {
    score: u32,
    max_score: u32,
    status: &'static str,
    name: String,
    output: String,
    /// `hidden` is for instructors alone, and lets students see their total.
    visibility: &'static str,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    value: u64,
    order: &'static str,
}

pub(super) fn convert(reports: &[Report]) -> Result<String, Failure> {
    let (score, of) = points(reports);
    let output = format!("{score} of {of} points");
    let all = reports.iter().flat_map(for_instructors).collect();
    fitting(all, MOST, |told| {
        json(&Results {
            score,
            output: output.clone(),
            output_format: "text",
            test_output_format: "text",
            stdout_visibility: "hidden",
            tests: told.iter().map(test).collect(),
            leaderboard: reports.iter().filter_map(entry).collect(),
        })
    })
}

/// With what a hidden check says, which Gradescope keeps from students.
fn for_instructors(report: &Report) -> Vec<Told> {
    let mut all = told(report);
    for (told, check) in all.iter_mut().zip(&report.checks) {
        if told.hidden {
            told.text = text(check);
        }
    }
    all
}

fn test(told: &Told) -> Test {
    Test {
        score: told.points,
        max_score: told.of,
        status: if told.passed { "passed" } else { "failed" },
        name: told.name.clone(),
        output: told.text.clone(),
        visibility: if told.hidden { "hidden" } else { "visible" },
    }
}

fn entry(report: &Report) -> Option<Entry> {
    report.leaderboard.map(|value| Entry {
        name: format!("lab {}: {}", report.lab, report.title),
        value,
        order: "asc",
    })
}

pub(super) fn files(package: &Package<'_>) -> Vec<Made> {
    let inside = vec![
        package.script("setup.sh", include_str!("templates/gradescope-setup.sh")),
        package.script(
            "run_autograder",
            include_str!("templates/gradescope-run.sh"),
        ),
        package.script("install.sh", include_str!("templates/install.sh")),
        package.tree(),
    ];
    vec![Made::zip("autograder.zip", &inside)]
}
