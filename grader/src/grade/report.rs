//! A verdict on one submission of one lab, as it lies in a file: whatever happens, there is one.
//!
//! What is exported to courses' platforms is made from this, and from nothing else.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use chart::Chart;
use serde::{Deserialize, Serialize};

use crate::status::{Doing, Failure};

/// The name of this format; another number when a field changes its meaning.
pub const FORMAT: &str = "kit-grade/1";

/// A verdict on one submission of one lab.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// Who submitted: the name of the folder, archive or file.
    pub submission: String,
    /// The lab's number.
    pub lab: u8,
    /// Its title.
    pub title: String,
    /// What was graded: SHA-256 of the solution's bytes, in hexadecimal; empty if there is no solution.
    pub solution: String,
    /// What graded: SHA-256 over the kit's tree and program. A result of another kit is not resumed.
    pub kit: String,
    /// How strongly the submission was confined: the tier, and what it is made of.
    pub sandbox: String,
    /// What came of it.
    pub outcome: Outcome,
    /// For [`Outcome::NotGradable`] the rule and its reason or the compiler's message, for
    /// [`Outcome::Infrastructure`] what failed; else empty.
    pub reason: String,
    /// The points reached. 0 unless [`Outcome::Graded`].
    pub points: u32,
    /// The points that can be reached.
    pub of: u32,
    /// The checks in the manifest's order; those that were not reached yet are [`Passed::Pending`].
    pub checks: Vec<Checked>,
    /// What solutions are compared by, the fewer the better, where the lab measures something.
    pub leaderboard: Option<u64>,
}

/// What came of grading, the three kinds kept apart.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not over: it goes on, or was ended in the middle.
    Running,
    /// Every check was carried out or depends on one that failed.
    Graded,
    /// The submission cannot be graded: it is not there, breaks a rule, or does not compile.
    NotGradable,
    /// The host failed. Never a student's zero: grade again.
    Infrastructure,
}

/// How one check came out.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passed {
    /// It passed.
    Yes,
    /// It did not.
    No,
    /// It was not tried, since the check that [`Checked::dependency`] names did not pass.
    Skipped,
    /// Not reached.
    Pending,
}

/// One check, told in check50's manner.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Its name in the manifest.
    pub name: String,
    /// What was tested; of a hidden check only that it is hidden.
    pub description: String,
    /// Whether it passed.
    pub passed: Passed,
    /// The points it gave.
    pub points: u32,
    /// The points it can give.
    pub of: u32,
    /// Whether the manifest hides it from students.
    pub hidden: bool,
    /// The check that has to pass first and did not.
    pub dependency: Option<String>,
    /// How much was looked at, for one that passed.
    pub looked: String,
    /// Why it matters.
    pub rationale: String,
    /// What the solution was given: scenes, a script, words of the command line.
    pub input: String,
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub actual: String,
    /// The invariant that is broken, 1 to 20.
    pub invariant: Option<u8>,
    /// The lanes of the shortest failing run, the end of the transcript, or the compiler's messages.
    pub log: String,
    /// The schedule that leads there, one step a line, for `kit explore --replay`.
    pub schedule: Option<String>,
    /// The failing run as the viewer shows it: `kit view` opens a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Box<Chart>>,
    /// A hint.
    pub hint: String,
    /// The command that shows it again.
    pub reproduce: Option<String>,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if it cannot be read, or is none of this [`FORMAT`].
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).doing("reading", path)?;
        let report: Report = serde_json::from_str(&text)
            .map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
        if report.format != FORMAT {
            let format = &report.format;
            return Err(Failure::host(format!(
                "{}: the format is `{format}`, and `{FORMAT}` was expected",
                path.display()
            )));
        }
        Ok(report)
    }

    /// Writes it, so that there is the old one or the new one, whole, whenever this is ended.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`].
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).doing("creating", folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).doing("writing", path)?;
        file.write_all(text.as_bytes()).doing("writing", path)?;
        file.write_all(b"\n").doing("writing", path)?;
        crate::kernel::persist(file, path)
    }

    /// The reason in a line: its first, and the next if the first only leads to it.
    #[must_use]
    pub fn reason_in_a_line(&self) -> String {
        let mut lines = self.reason.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default();
        match lines.next() {
            Some(next) if first.ends_with(':') => format!("{first} {}", next.trim()),
            _ => first.to_owned(),
        }
    }

    /// The points of the checks that passed.
    #[must_use]
    pub fn earned(&self) -> u32 {
        self.checks.iter().map(|check| check.points).sum()
    }
}
