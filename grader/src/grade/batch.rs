//! `kit grade --batch`: many submissions, several at once, each lab of each in a process of its own.
//!
//! 1. **One submission never takes another with it.** Its archive is read within limits, and it is graded by a
//!    child process that has a limit of its own.
//! 2. **Nothing is graded twice, nothing is lost.** A report that is whole, of the same solution and the same kit, is
//!    kept; whatever ends this, every report is the old one or the new one.
//! 3. **The host's failures are nobody's zero.** They are tried once more at the end, and told apart.
//!
//! The folder of results: `submissions/NAME/lab-02.json` is a [`Report`], `submissions/NAME/solution/` what was
//! graded, `summary.json` and `summary.csv` all of it. Of a single submission there is no summary, and several may be
//! graded at the same time into one folder: so does a cluster.

mod args;
mod pool;
mod progress;
mod spawn;
mod submissions;
mod summary;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::feedback;
use super::intake::Wanted;
use super::report::{FORMAT, Outcome, Report};
use super::similarity::{Common, Language};
use crate::labs::{Lab, Manifest};
use crate::run;
use crate::signals::{Asked, Signals};
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;
pub use args::BatchArgs;
pub use pool::Stop;
use progress::Progress;
pub use spawn::Spawn;
use submissions::Submission;
pub use summary::Summary;

/// What to grade, and how.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The folder of submissions, or the one submission.
    pub from: From,
    /// The labs to grade. If there are none: of each submission those that it has a solution of.
    pub labs: Vec<u8>,
    /// How many children at once.
    pub jobs: usize,
    /// The folder for the results. It may hold those of a run that was interrupted.
    pub out: PathBuf,
    /// What is shown of it.
    pub show: Show,
    /// What grades: SHA-256 over the kit's tree and program, in hexadecimal.
    pub kit: String,
}

/// What is shown of a batch while it goes on and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// For a person: how it goes on to standard error, the summary to standard output.
    Text,
    /// For a program: each report to standard output as it is finished, one a line.
    Json,
    /// Nothing: what is written is enough.
    Nothing,
}

/// Where submissions are.
#[derive(Clone, Debug)]
pub enum From {
    /// Each entry of this folder is one.
    Each(PathBuf),
    /// This is the only one.
    One(PathBuf),
}

/// One lab of one submission, to be graded.
#[derive(Clone, Debug)]
pub struct Job {
    /// Who submitted.
    pub submission: String,
    /// The lab's number.
    pub lab: u8,
    /// The solution, in a folder that nobody else can read.
    pub solution: PathBuf,
    /// Its digest: see [`Report::solution`].
    pub digest: String,
    /// Where the report goes.
    pub report: PathBuf,
}

/// What grades one solution.
pub trait GradeOne: Sync {
    /// What is done once before the first of them is graded.
    ///
    /// # Errors
    /// Whatever would keep it from grading any.
    fn prepare(&self, _jobs: &[Job]) -> Result<(), Failure> {
        Ok(())
    }

    /// Grades it, and writes the report. Returns soon after `stop` is set.
    ///
    /// # Errors
    /// Whatever kept it from writing a report that is not [`Outcome::Running`].
    fn grade(&self, job: &Job, stop: &Stop) -> Result<(), Failure>;
}

/// Grades what there is to grade.
///
/// # Errors
/// [`Status::Usage`] if there is nothing to grade, or another one is at work in the same folder; [`Status::Host`] if
/// results cannot be written, or the host failed for a submission twice. Points are no matter.
pub fn batch(
    batch: &Batch,
    workspace: &Workspace,
    manifest: &Manifest,
    grade: &dyn GradeOne,
) -> Result<run::Outcome, Failure> {
    let wanted = Wanted::of(manifest, &batch.labs)?;
    let places = submissions::list(&batch.from)?;
    let _locked = lock(&batch.out, &batch.from)?;
    let batch = &Batch {
        out: batch.out.canonicalize().doing("finding", &batch.out)?,
        ..batch.clone()
    };
    let signals =
        Signals::take().map_err(|error| Failure::host(format!("taking over signals: {error}")))?;
    let mut submissions = Vec::new();
    let mut jobs = Vec::new();
    let mut progress = Progress::new(batch.show);
    for place in places {
        let submission = Submission::take(&place, batch, manifest, &wanted)?;
        for (job, kept) in submission.jobs(batch, manifest)? {
            progress.planned(kept.as_ref());
            match kept {
                Some(_) => {}
                None => jobs.push(job),
            }
        }
        submissions.push(submission);
    }
    let prepared = match jobs.as_slice() {
        [] => Ok(()),
        jobs => grade.prepare(jobs),
    };
    let ended = match (prepared, signals.asked()) {
        // An interrupt from the terminal ends cargo as well.
        (_, Some(Asked::End(signal))) => Ok(Some(signal)),
        (Ok(()), _) => grade_all(&jobs, batch, manifest, grade, &signals, &mut progress),
        (Err(failure), _) => none_graded(&jobs, batch, manifest, &failure, &mut progress),
    };
    progress.end();
    if let Some(signal) = ended? {
        let left = "what is finished is kept: the same command goes on from there";
        crate::say::line(left);
        return Ok(run::Outcome::Signal(signal));
    }
    let commons = commons(workspace, manifest, &wanted);
    let summary = Summary::of(&submissions, batch, &commons)?;
    if let From::Each(_) = batch.from {
        summary.write(&batch.out)?;
    }
    if batch.show == Show::Text {
        let _ = io::stdout().write_all(summary.text().as_bytes());
    }
    match summary.failed() {
        0 => Ok(run::Outcome::Done),
        failed => Err(
            Failure::host(format!("{failed} could not be graded because of this host"))
                .advise("the same command tries those again, and nothing else"),
        ),
    }
}

/// Says in every report that the host fails.
fn none_graded(
    jobs: &[Job],
    batch: &Batch,
    manifest: &Manifest,
    failure: &Failure,
    progress: &mut Progress,
) -> Result<Option<i32>, Failure> {
    for job in jobs {
        let lab = manifest.lab(job.lab)?;
        let (who, reason) = (&job.submission, failure.to_string());
        let report = no_points(
            lab,
            &batch.kit,
            who,
            &job.digest,
            Outcome::Infrastructure,
            reason,
        );
        report.write(&job.report)?;
        progress.finished(&report);
    }
    Ok(None)
}

/// Grades them all, and once more those for which the host failed. The signal that ended it, if one did.
fn grade_all(
    jobs: &[Job],
    batch: &Batch,
    manifest: &Manifest,
    grade: &dyn GradeOne,
    signals: &Signals,
    progress: &mut Progress,
) -> Result<Option<i32>, Failure> {
    let pool = pool::Pool {
        threads: batch.jobs,
        grade,
        signals,
        kit: &batch.kit,
        manifest,
    };
    let mut again = Vec::new();
    let ended = pool.run(jobs, &mut |job, report| {
        progress.finished(report);
        if report.outcome == Outcome::Infrastructure {
            again.push(job.clone());
        }
    })?;
    if ended.is_some() || again.is_empty() {
        return Ok(ended);
    }
    progress.again(again.len());
    pool.run(&again, &mut |_, report| progress.finished(report))
}

/// Holding it, nobody else sums up in the folder; single submissions are graded at the same time.
fn lock(out: &Path, from: &From) -> Result<File, Failure> {
    fs::create_dir_all(out).doing("creating", out)?;
    let path = out.join(".lock");
    let file = File::create(&path).doing("writing", &path)?;
    let how = match from {
        From::Each(_) => FlockOperation::NonBlockingLockExclusive,
        From::One(_) => FlockOperation::NonBlockingLockShared,
    };
    flock(&file, how).map_err(|_| {
        let message = format!("another `kit grade` is at work in {}", out.display());
        Failure::new(Status::Usage, message)
    })?;
    Ok(file)
}

/// For each lab what its solutions have in common by nature: what was given, the kit's own solution, the crate `lab`.
fn commons(
    workspace: &Workspace,
    manifest: &Manifest,
    wanted: &[Wanted],
) -> Vec<(u8, Language, Common)> {
    let asked = |lab: &&Lab| wanted.iter().any(|wanted| wanted.lab == lab.number);
    let labs = manifest.labs.iter().filter(asked);
    labs.map(|lab| {
        let language = match lab.module {
            Some(_) => Language::Rust,
            None => Language::Script,
        };
        let mut common = Common::default();
        let end = lab.extension();
        let mut given = vec![
            lab.path(workspace).join(format!("starter.{end}")),
            lab.reference(workspace),
        ];
        let module = lab.module.iter();
        given.extend(module.map(|name| {
            let file = format!("labs/lab/src/{name}.rs");
            workspace.root.join(file)
        }));
        // Students' trees have no solutions of the kit's.
        let texts = given
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok());
        texts.for_each(|text| common.add(&text, language));
        (lab.number, language, common)
    })
    .collect()
}

/// A report that says why there are no points.
fn no_points(
    lab: &Lab,
    batch_kit: &str,
    submission: &str,
    solution: &str,
    outcome: Outcome,
    reason: String,
) -> Report {
    let checks = lab.checks.iter().map(|check| match check.hidden {
        true => feedback::hidden(&feedback::pending(check)),
        false => feedback::pending(check),
    });
    Report {
        format: FORMAT.to_owned(),
        submission: submission.to_owned(),
        lab: lab.number,
        title: lab.title.clone(),
        solution: solution.to_owned(),
        kit: batch_kit.to_owned(),
        sandbox: String::new(),
        outcome,
        reason,
        points: 0,
        of: lab.points(),
        checks: checks.collect(),
        leaderboard: None,
    }
}

#[cfg(test)]
mod tests;
