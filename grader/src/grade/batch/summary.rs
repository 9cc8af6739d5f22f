//! All of a batch at a glance: as JSON, as a table of a spreadsheet, as text.

mod csv;
mod text;

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Batch;
use super::submissions::Submission;
use crate::grade::report::{Outcome, Report};
use crate::grade::similarity::{Common, Language, Prints, pairs};
use crate::status::{Doing, Failure};

/// The name of this format.
const FORMAT: &str = "kit-batch/1";

/// All of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    format: &'static str,
    kit: String,
    submissions: Vec<Row>,
    labs: Vec<Scores>,
    /// Pairs of submissions that are worth a look, the nearest first.
    similar: Vec<Similar>,
}

/// A submission.
#[derive(Clone, Debug, Serialize)]
struct Row {
    name: String,
    /// Why there is nothing of it to grade.
    nothing: Option<String>,
    labs: Vec<Brief>,
    ignored: Vec<[String; 2]>,
    unlisted: usize,
}

/// A report, in brief.
#[derive(Clone, Debug, Serialize)]
struct Brief {
    lab: u8,
    outcome: Outcome,
    points: u32,
    of: u32,
    leaderboard: Option<u64>,
    solution: String,
    /// The first check that did not pass, or the first line of the reason.
    why: String,
}

/// The points in a lab.
#[derive(Clone, Debug, Serialize)]
struct Scores {
    lab: u8,
    title: String,
    of: u32,
    graded: usize,
    not_gradable: usize,
    infrastructure: usize,
    mean: f64,
    median: u32,
    /// How many reached so many points, of those that were graded: `[points, count]`.
    distribution: Vec<(u32, usize)>,
}

/// Two solutions that are near to each other.
#[derive(Clone, Debug, Serialize)]
struct Similar {
    lab: u8,
    one: String,
    other: String,
    /// Of what is the smaller one's own, how much the other has as well, 0 to 1.
    share: f64,
    lines: Vec<(usize, usize)>,
    other_lines: Vec<(usize, usize)>,
}

impl Summary {
    /// What the reports say, and what is near to what.
    pub(super) fn of(
        submissions: &[Submission],
        batch: &Batch,
        commons: &[(u8, Language, Common)],
    ) -> Result<Self, Failure> {
        let (mut rows, mut reports) = (Vec::new(), Vec::new());
        for submission in submissions {
            let read = submission.reports.iter().map(|path| Report::read(path));
            let mut read = read.collect::<Result<Vec<Report>, Failure>>()?;
            read.sort_by_key(|report| report.lab);
            rows.push(row(submission, &read));
            reports.extend(read);
        }
        let labs = commons
            .iter()
            .filter_map(|(lab, ..)| scores(*lab, &reports));
        let similar = commons
            .iter()
            .flat_map(|common| similar(common, submissions));
        Ok(Self {
            format: FORMAT,
            kit: batch.kit.clone(),
            submissions: rows,
            labs: labs.collect(),
            similar: similar.collect(),
        })
    }

    /// Writes `summary.json` and `summary.csv`.
    pub(super) fn write(&self, out: &Path) -> Result<(), Failure> {
        let json = out.join("summary.json");
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::host(format!("{}: {error}", json.display())))?;
        for (path, text) in [
            (json, text + "\n"),
            (out.join("summary.csv"), csv::table(self)),
        ] {
            let file = tempfile::NamedTempFile::new_in(out).doing("writing", &path)?;
            fs::write(file.path(), text).doing("writing", &path)?;
            crate::kernel::persist(file, &path)?;
        }
        Ok(())
    }

    /// For a person to read.
    #[must_use]
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// For how many the host failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.labs.iter().map(|lab| lab.infrastructure).sum()
    }
}

fn row(submission: &Submission, reports: &[Report]) -> Row {
    let ignored = submission.intake.iter().flat_map(|intake| &intake.ignored);
    Row {
        name: submission.name.clone(),
        nothing: submission.nothing.clone(),
        labs: reports.iter().map(brief).collect(),
        ignored: ignored
            .map(|one| [one.name.clone(), one.why.clone()])
            .collect(),
        unlisted: submission
            .intake
            .as_ref()
            .map_or(0, |intake| intake.unlisted),
    }
}

fn brief(report: &Report) -> Brief {
    let failed = report
        .checks
        .iter()
        .find(|check| check.passed != crate::grade::report::Passed::Yes);
    let why = match (report.outcome, failed) {
        (Outcome::Graded, Some(check)) => check.name.clone(),
        (Outcome::Graded, None) => String::new(),
        _ => report.reason_in_a_line(),
    };
    Brief {
        lab: report.lab,
        outcome: report.outcome,
        points: report.points,
        of: report.of,
        leaderboard: report.leaderboard,
        solution: report.solution.clone(),
        why,
    }
}

/// None if there is no report on that lab.
fn scores(lab: u8, reports: &[Report]) -> Option<Scores> {
    let of_lab: Vec<&Report> = reports.iter().filter(|report| report.lab == lab).collect();
    let first = of_lab.first()?;
    let count = |outcome| {
        of_lab
            .iter()
            .filter(|report| report.outcome == outcome)
            .count()
    };
    let graded = of_lab
        .iter()
        .filter(|report| report.outcome == Outcome::Graded);
    let mut points: Vec<u32> = graded.map(|report| report.points).collect();
    points.sort_unstable();
    let mut distribution: Vec<(u32, usize)> = Vec::new();
    for reached in &points {
        match distribution.last_mut() {
            Some((last, count)) if last == reached => *count += 1,
            _ => distribution.push((*reached, 1)),
        }
    }
    let sum: u64 = points.iter().map(|points| u64::from(*points)).sum();
    Some(Scores {
        lab,
        title: first.title.clone(),
        of: first.of,
        graded: points.len(),
        not_gradable: count(Outcome::NotGradable),
        infrastructure: count(Outcome::Infrastructure) + count(Outcome::Running),
        mean: sum as f64 / points.len().max(1) as f64,
        median: points.get(points.len() / 2).copied().unwrap_or(0),
        distribution,
    })
}

fn similar(common: &(u8, Language, Common), submissions: &[Submission]) -> Vec<Similar> {
    let (lab, language, common) = common;
    let (mut names, mut files) = (Vec::new(), Vec::new());
    for submission in submissions {
        let solutions = submission
            .intake
            .iter()
            .flat_map(|intake| &intake.solutions);
        for (wanted, solution) in solutions {
            if let (true, Ok(solution)) = (wanted.lab == *lab, solution) {
                names.push(&submission.name);
                let text = String::from_utf8_lossy(&solution.bytes);
                files.push(Prints::of(&text, *language, common));
            }
        }
    }
    let pairs = pairs(&files).into_iter().map(|pair| Similar {
        lab: *lab,
        one: names[pair.one].clone(),
        other: names[pair.other].clone(),
        share: pair.share,
        lines: pair.lines,
        other_lines: pair.other_lines,
    });
    pairs.collect()
}
