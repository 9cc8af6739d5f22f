//! Several at once, each on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{GradeOne, Job, no_points};
use crate::grade::report::{Outcome, Report};
use crate::labs::Manifest;
use crate::signals::{Asked, Signals, stop_here};
use crate::status::Failure;

/// Whether what is under way is to end.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// From now on.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How often signals are looked at.
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Pool<'a> {
    pub(super) threads: usize,
    pub(super) grade: &'a dyn GradeOne,
    pub(super) signals: &'a Signals,
    pub(super) kit: &'a str,
    pub(super) manifest: &'a Manifest,
}

impl Pool<'_> {
    /// Grades every job, and hands each report to `finished` as it comes. The signal that ended it, if one did.
    pub(super) fn run(
        &self,
        jobs: &[Job],
        finished: &mut dyn FnMut(&Job, &Report),
    ) -> Result<Option<i32>, Failure> {
        let (stop, next) = (Stop::default(), AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.threads.clamp(1, jobs.len().max(1)) {
                let (sender, stop, next) = (sender.clone(), &stop, &next);
                scope.spawn(move || {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if stop.is_set() {
                            return;
                        }
                        let outcome = self.one(job, stop);
                        let _ = sender.send((job, outcome));
                    }
                });
            }
            drop(sender);
            let (mut ended, mut failed) = (None, None);
            loop {
                match receiver.recv_timeout(LOOK) {
                    Ok((job, Ok(Some(report)))) => finished(job, &report),
                    // It was stopped.
                    Ok((_, Ok(None))) => {}
                    // Reports cannot be written: the others could not be either.
                    Ok((_, Err(failure))) => {
                        stop.set();
                        failed.get_or_insert(failure);
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
                match self.signals.asked() {
                    Some(Asked::End(signal)) => {
                        stop.set();
                        ended = Some(signal);
                    }
                    Some(Asked::Stop) => stop_here(),
                    Some(Asked::Continue) | None => {}
                }
            }
            failed.map_or(Ok(ended), Err)
        })
    }

    /// Its report, whatever befalls the grading; none if it was stopped.
    fn one(&self, job: &Job, stop: &Stop) -> Result<Option<Report>, Failure> {
        let graded = catch_unwind(AssertUnwindSafe(|| self.grade.grade(job, stop)));
        if stop.is_set() {
            return Ok(job.kept(self.kit));
        }
        let reason = match graded {
            Ok(Ok(())) => match Report::read(&job.report) {
                Ok(report) if report.outcome == Outcome::Running => {
                    "grading ended in the middle".to_owned()
                }
                Ok(report) if job.matches(&report, self.kit) => {
                    return Ok(Some(report));
                }
                Ok(_) => "the report is by another kit, or on something else: was its tree changed meanwhile?".to_owned(),
                Err(failure) => failure.to_string(),
            },
            Ok(Err(failure)) => match Report::read(&job.report) {
                // It has said itself what failed.
                Ok(report) if self.says_so(job, &report) => return Ok(Some(report)),
                _ => failure.to_string(),
            },
            Err(_) => "the kit failed".to_owned(),
        };
        let lab = self.manifest.lab(job.lab)?;
        let (who, outcome) = (&job.submission, Outcome::Infrastructure);
        let report = no_points(lab, self.kit, who, &job.digest, outcome, reason);
        report.write(&job.report)?;
        Ok(Some(report))
    }

    /// Whether this kit's report on this solution says that the host failed.
    fn says_so(&self, job: &Job, report: &Report) -> bool {
        report.outcome == Outcome::Infrastructure && job.matches(report, self.kit)
    }
}
