//! One submission of one lab, graded.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox::Layers;

use super::report::{Checked, FORMAT, Outcome, Passed, Report};
use super::{digest, feedback};
use crate::labs::check::{self, Solution};
use crate::labs::court::Trust;
use crate::labs::rig::Shared;
use crate::labs::{Check, Kind, Lab};
use crate::launch::MACHINE;
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// What grades.
#[derive(Clone, Debug)]
pub struct Grader {
    /// What is built once for all submissions.
    shared: Arc<Shared>,
    /// What confines submissions here.
    layers: Layers,
    /// What has to.
    tier: String,
    /// The digest of the kit.
    tree: String,
    /// Whether reports say everything of hidden checks.
    reveal: bool,
    /// CPU time in seconds that QEMU may use for a run.
    machine_cpu: u64,
}

/// What is to be graded.
#[derive(Clone, Debug)]
pub struct Order<'o> {
    /// Who submitted.
    pub name: String,
    /// The solution; or why there is none.
    pub solution: Result<PathBuf, String>,
    /// The lab.
    pub lab: &'o Lab,
    /// Where the report is kept, and resumed from.
    pub report: Option<&'o Path>,
}

impl Grader {
    /// One that grades where submissions can be confined by `tier` at least.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if the tree cannot be read.
    pub fn new(shared: &Arc<Shared>, tier: &str, reveal: bool) -> Result<Self, Failure> {
        Ok(Grader {
            shared: Arc::clone(shared),
            layers: shared.layers(),
            tier: tier.to_owned(),
            tree: digest::of_kit(&shared.workspace)?,
            reveal,
            machine_cpu: MACHINE.cpu,
        })
    }

    /// QEMU may use so many seconds of CPU time for a run.
    #[must_use]
    pub fn machine_cpu(self, seconds: u64) -> Self {
        Grader {
            machine_cpu: seconds,
            ..self
        }
    }

    /// Grades; says of each check how it came out as soon as it has. The report is written after every check, so that
    /// there is one whatever happens, and what is in it is not done again. Whatever fails on this host is in it too.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if the report cannot be written.
    pub fn grade(
        &self,
        order: &Order<'_>,
        mut say: impl FnMut(&Checked),
    ) -> Result<Report, Failure> {
        let mut report = self.begin(order);
        if matches!(report.outcome, Outcome::Graded | Outcome::NotGradable) {
            report.checks.iter().for_each(say);
            return Ok(report);
        }
        write(&report, order)?;
        // A defect of kit's own is the host's failure as well, and leaves a report.
        let went = catch_unwind(AssertUnwindSafe(|| {
            self.carry_out(&mut report, order, &mut say)
        }));
        let failure = match went {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure.to_string()),
            Err(_) => Some("kit panicked: what it said is on its standard error".to_owned()),
        };
        if let Some(reason) = failure {
            report.outcome = Outcome::Infrastructure;
            report.reason = reason;
        }
        report.reason = feedback::plain(&report.reason);
        report.points = match report.outcome {
            Outcome::Graded => report.earned(),
            _ => 0,
        };
        write(&report, order)?;
        Ok(report)
    }

    /// The report as it is before anything was done: what an earlier run reached, if it graded the same.
    fn begin(&self, order: &Order<'_>) -> Report {
        let bytes = order
            .solution
            .as_ref()
            .ok()
            .and_then(|path| fs::read(path).ok());
        let fresh = Report {
            format: FORMAT.into(),
            submission: feedback::plain(&order.name).replace('\n', "\\u{a}"),
            lab: order.lab.number,
            title: order.lab.title.clone(),
            solution: bytes.map_or(String::new(), |bytes| digest::of(&bytes)),
            kit: self.tree.clone(),
            sandbox: self.layers.to_string(),
            outcome: Outcome::Running,
            reason: String::new(),
            points: 0,
            of: order.lab.points(),
            checks: order.lab.checks.iter().map(feedback::pending).collect(),
            leaderboard: None,
        };
        let earlier = order.report.and_then(|path| Report::read(path).ok());
        match earlier {
            Some(earlier) if same(&earlier, &fresh) => match earlier.outcome {
                Outcome::Graded | Outcome::NotGradable => earlier,
                _ => Report {
                    checks: earlier.checks,
                    ..fresh
                },
            },
            _ => fresh,
        }
    }

    fn carry_out(
        &self,
        report: &mut Report,
        order: &Order<'_>,
        say: &mut dyn FnMut(&Checked),
    ) -> Result<(), Failure> {
        if self.layers.reaches(&self.tier) != Some(true) {
            return Err(Failure::host(format!(
                "a submission has to be confined by `{}` at least, and this host offers {}",
                self.tier, self.layers
            ))
            .advise("--tier accepts less"));
        }
        let path = match &order.solution {
            Ok(path) => path,
            Err(reason) => {
                report.outcome = Outcome::NotGradable;
                report.reason.clone_from(reason);
                return Ok(());
            }
        };
        let place = Place::new(self, order.lab, path)?;
        let trust = Trust::Stranger(self.layers);
        let mut solution = Solution::new(
            &self.shared,
            order.lab,
            &place.file,
            &place.slot.name,
            trust,
        )?
        .cpu_seconds(self.machine_cpu);
        let mut passed = BTreeMap::new();
        for (index, check) in order.lab.checks.iter().enumerate() {
            if !done(&report.checks[index], check) {
                let outcome = match check::missing(check, &passed) {
                    Some(id) => check::Outcome::Skipped(id),
                    None => solution.one(check)?,
                };
                let checked = place.scrub(&feedback::checked(order.lab, check, &outcome));
                report.checks[index] = self.shown(checked);
            }
            let checked = &report.checks[index];
            passed.insert(check.id.clone(), checked.passed == Passed::Yes);
            say(checked);
            let gradable = !matches!(check.kind, Kind::Rules | Kind::Compiles);
            if checked.passed == Passed::No && !gradable {
                report.outcome = Outcome::NotGradable;
                report.reason = format!("{}\n{}", checked.actual, checked.log)
                    .trim_end()
                    .to_owned();
                return Ok(());
            }
            write(report, order)?;
        }
        report.leaderboard = solution.leaderboard();
        report.outcome = Outcome::Graded;
        Ok(())
    }

    fn shown(&self, checked: Checked) -> Checked {
        if checked.hidden && !self.reveal {
            feedback::hidden(&checked)
        } else {
            checked
        }
    }
}

/// Whether two reports are of the same thing, graded by the same.
fn same(one: &Report, other: &Report) -> bool {
    let of = |report: &Report| {
        (
            report.submission.clone(),
            report.lab,
            report.solution.clone(),
            report.kit.clone(),
            report.sandbox.clone(),
            report.checks.len(),
        )
    };
    of(one) == of(other)
}

/// Whether an earlier run has carried it out. What is measured is measured again: the figure is not kept.
fn done(checked: &Checked, check: &Check) -> bool {
    matches!(checked.passed, Passed::Yes | Passed::No)
        && !matches!(
            check.kind,
            Kind::Instructions | Kind::Costs | Kind::Interrupts | Kind::Transfers
        )
}

fn write(report: &Report, order: &Order<'_>) -> Result<(), Failure> {
    order.report.map_or(Ok(()), |path| report.write(path))
}

/// A folder of its own for a solution that is graded; it goes with the value.
struct Place {
    folder: tempfile::TempDir,
    /// The solution, under the name that the lab gives it.
    file: PathBuf,
    /// Where `kit labs start` puts a student's.
    own: String,
    /// The kit's tree.
    root: PathBuf,
    slot: Slot,
}

/// A folder to build in, by its number: held by one process at a time, and used again by the next. So what a killed one
/// has built there does not stay for ever.
struct Slot {
    name: String,
    _held: File,
}

impl Slot {
    /// The first that nobody holds.
    fn free(workspace: &Workspace) -> Result<Self, Failure> {
        let folder = workspace.target.join("labs");
        fs::create_dir_all(&folder).doing("creating", &folder)?;
        let mut number = 0_u32;
        loop {
            let name = format!("grade-{number}");
            let path = folder.join(format!("{name}.lock"));
            let file = File::create(&path).doing("opening", &path)?;
            match file.try_lock() {
                Ok(()) => return Ok(Slot { name, _held: file }),
                Err(TryLockError::WouldBlock) => number += 1,
                Err(TryLockError::Error(error)) => return Err(error).doing("locking", &path),
            }
        }
    }
}

impl Place {
    fn new(grader: &Grader, lab: &Lab, path: &Path) -> Result<Self, Failure> {
        let parent = grader.shared.workspace.own_dir()?;
        let folder = tempfile::Builder::new()
            .prefix("grade-")
            .tempdir_in(&parent)
            .doing("making a folder in", &parent)?;
        let name = format!("{}.{}", lab.folder, lab.extension());
        let file = folder.path().join(&name);
        let bytes = fs::read(path).doing("reading", path)?;
        fs::write(&file, bytes).doing("writing", &file)?;
        Ok(Place {
            slot: Slot::free(&grader.shared.workspace)?,
            own: format!("labs/work/{name}"),
            root: grader.shared.workspace.root.clone(),
            file,
            folder,
        })
    }

    /// What is told, with the names that the files have at the student's: where it was graded makes no difference.
    fn scrub(&self, checked: &Checked) -> Checked {
        let (file, folder) = (self.file.as_path(), self.folder.path());
        // Whole, and as one would type them in the kit's folder.
        let ways = |path: &Path| {
            let within = path.strip_prefix(&self.root).unwrap_or(path);
            [path, within].map(|path| path.display().to_string())
        };
        let name = |text: &String| {
            let folders = ways(folder).into_iter();
            folders.fold(text.clone(), |text, folder| {
                text.replace(&format!("{folder}/"), "")
            })
        };
        let own = |text: &String| {
            let files = ways(file).into_iter();
            name(&files.fold(text.clone(), |text, file| text.replace(&file, &self.own)))
        };
        Checked {
            actual: name(&checked.actual),
            log: name(&checked.log),
            hint: own(&checked.hint),
            reproduce: checked.reproduce.as_ref().map(own),
            ..checked.clone()
        }
    }
}
