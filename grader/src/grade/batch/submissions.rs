//! The submissions of a batch, and where their results go.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::{Batch, From, Job, no_points};
use crate::grade::digest;
use crate::grade::intake::{self, Intake, LIMITS, Refusal, Wanted};
use crate::grade::report::{Outcome, Report};
use crate::labs::Manifest;
use crate::status::{Doing, Failure, Status};

/// A submission of a batch.
#[derive(Debug)]
pub(super) struct Submission {
    /// Who submitted: the name of the folder or file.
    pub(super) name: String,
    /// The folder of its results.
    pub(super) out: PathBuf,
    /// What was taken from it; none if the host could not read it.
    pub(super) intake: Option<Intake>,
    /// Why nothing of it is graded, if no lab is to blame.
    pub(super) nothing: Option<String>,
    /// Where there are reports, in the order of labs.
    pub(super) reports: Vec<PathBuf>,
}

/// Where the submissions are, sorted by name.
pub(super) fn list(from: &From) -> Result<Vec<PathBuf>, Failure> {
    let folder = match from {
        From::One(path) => return Ok(vec![path.clone()]),
        From::Each(folder) => folder,
    };
    let usage = |failure: Failure| Failure {
        status: Status::Usage,
        ..failure
    };
    let entries = fs::read_dir(folder)
        .doing("reading", folder)
        .map_err(usage)?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.doing("reading", folder)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_bytes().starts_with(b"."));
        if !hidden {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    if paths.is_empty() {
        let message = format!("there are no submissions in {}", folder.display());
        return Err(Failure::new(Status::Usage, message)
            .advise("each folder, archive or file in it is one"));
    }
    Ok(paths)
}

impl Submission {
    /// Reads the submission at `place`.
    pub(super) fn take(
        place: &Path,
        batch: &Batch,
        manifest: &Manifest,
        wanted: &[Wanted],
    ) -> Result<Self, Failure> {
        let raw = place.file_name().unwrap_or(OsStr::new("submission"));
        let name = raw.to_string_lossy().into_owned();
        let mut submission = Self {
            name,
            out: batch.out.join("submissions").join(folder_name(raw)),
            intake: None,
            nothing: None,
            reports: Vec::new(),
        };
        // A reader of archives that panics is a fault of the kit, but no reason to end.
        let read = catch_unwind(AssertUnwindSafe(|| intake::read(place, wanted, LIMITS)));
        let failed = match read {
            Ok(Ok(intake)) => {
                submission.received(intake, batch, manifest)?;
                return Ok(submission);
            }
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "the kit failed while reading it".to_owned(),
        };
        for wanted in wanted {
            submission.none(wanted, Outcome::Infrastructure, &failed, batch, manifest)?;
        }
        Ok(submission)
    }

    fn received(
        &mut self,
        intake: Intake,
        batch: &Batch,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        for (wanted, solution) in &intake.solutions {
            let refusal = match solution {
                Ok(_) => {
                    self.reports.push(self.report(wanted.lab));
                    continue;
                }
                Err(refusal) => refusal,
            };
            let asked = !batch.labs.is_empty();
            let elsewhere = intake.whole.is_some() || matches!(refusal, Refusal::Missing(_));
            if asked || !elsewhere {
                let reason = refusal.to_string();
                self.none(wanted, Outcome::NotGradable, &reason, batch, manifest)?;
            }
        }
        if self.reports.is_empty() {
            let whole = intake.whole.as_ref().map(Refusal::to_string);
            self.nothing = Some(whole.unwrap_or("there is no lab's solution in it".to_owned()));
        }
        self.intake = Some(intake);
        Ok(())
    }

    /// Writes a report on why there are no points.
    fn none(
        &mut self,
        wanted: &Wanted,
        outcome: Outcome,
        reason: &str,
        batch: &Batch,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        let lab = manifest.lab(wanted.lab)?;
        let path = self.report(wanted.lab);
        let report = no_points(lab, &batch.kit, &self.name, "", outcome, reason.to_owned());
        report.write(&path)?;
        self.reports.push(path);
        Ok(())
    }

    /// What there is to grade of it, each with the report that is there and need not be written again.
    pub(super) fn jobs(
        &self,
        batch: &Batch,
        manifest: &Manifest,
    ) -> Result<Vec<(Job, Option<Report>)>, Failure> {
        let solutions = self.intake.iter().flat_map(|intake| &intake.solutions);
        let mut jobs = Vec::new();
        for (wanted, solution) in solutions {
            let Ok(solution) = solution else { continue };
            let file = manifest.lab(wanted.lab)?.file();
            let job = Job {
                submission: self.name.clone(),
                lab: wanted.lab,
                solution: solution.store(&self.out.join("solution"), &file)?,
                digest: solution.digest(),
                report: self.report(wanted.lab),
            };
            let kept = job.kept(&batch.kit);
            jobs.push((job, kept));
        }
        Ok(jobs)
    }

    fn report(&self, lab: u8) -> PathBuf {
        self.out.join(format!("lab-{lab:02}.json"))
    }
}

impl Job {
    /// The report that is there, if it is this one's and final.
    pub(super) fn kept(&self, kit: &str) -> Option<Report> {
        let report = Report::read(&self.report).ok()?;
        let last = matches!(report.outcome, Outcome::Graded | Outcome::NotGradable);
        (last && self.matches(&report, kit)).then_some(report)
    }

    /// Whether it is a report of this kit on this solution.
    pub(super) fn matches(&self, report: &Report, kit: &str) -> bool {
        report.kit == kit && report.solution == self.digest && report.lab == self.lab
    }
}

/// A folder's name for a submission: its own if that is plain, else one that is not confused with another.
fn folder_name(raw: &OsStr) -> String {
    let plain = |c: char| c.is_alphanumeric() || " -_.,@+()".contains(c);
    let text = raw.to_string_lossy();
    if raw.to_str().is_some() && text.len() <= 200 && text.chars().all(plain) {
        return text.into_owned();
    }
    let kept: String = text.chars().filter(|c| plain(*c)).take(40).collect();
    let digest = &digest::of(raw.as_bytes())[..16];
    format!("{kept}~{digest}")
}
