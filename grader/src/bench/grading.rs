//! What grading takes, with what all submissions share built before: each lab once, and a batch of one lab.
//!
//! Time depends on what else the host does, so the CPU seconds of all children are told as well.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::grade::report::{Outcome, Report};
use crate::labs::{Lab, Manifest};
use crate::say;
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// The lab of the batch, and of repetitions.
const LAB: u8 = 2;
/// How many submissions a course has.
const COURSE: f64 = 200.0;
/// How many are graded at once.
const AT_ONCE: u32 = 2;

/// What something took.
#[derive(Clone, Copy, Default)]
struct Took {
    time: Duration,
    /// CPU seconds of all children.
    cpu: f64,
}

/// What grading took.
pub(super) struct Measured {
    labs: Vec<(u8, String, Took)>,
    copies: u32,
    batch: Took,
}

/// Grades every lab's own solution, then `copies` of one with different contents.
pub(super) fn measure(kit: &Path, copies: u32) -> Result<Measured, Failure> {
    let desk = Desk::new(kit)?;
    let mut labs = Vec::new();
    for lab in &desk.manifest.labs {
        say::dim(format_args!("grading lab {}", lab.number));
        let solution = lab.reference(&desk.workspace);
        // Whatever is built once is built by the first.
        desk.grade(lab, &solution)?;
        let (_, took) = timed(|| desk.grade(lab, &solution))?;
        labs.push((lab.number, lab.title.clone(), took));
    }
    say::dim(format_args!("grading {copies} submissions of lab {LAB}"));
    let ((), batch) = timed(|| desk.batch(copies))?;
    Ok(Measured {
        labs,
        copies,
        batch,
    })
}

/// Grades one solution so often, from the beginning each time. How often.
///
/// # Errors
/// If two reports differ.
pub(super) fn repeat(kit: &Path, times: u32) -> Result<u32, Failure> {
    let desk = Desk::new(kit)?;
    let lab = desk.manifest.lab(LAB)?;
    let solution = lab.reference(&desk.workspace);
    say::dim(format_args!("grading a solution {times} times"));
    let first = desk.grade(lab, &solution)?;
    for time in 2..=times {
        if desk.grade(lab, &solution)? != first {
            let message = format!("report {time} on the same solution differs from the first");
            return Err(Failure::host(message));
        }
    }
    Ok(times)
}

impl Measured {
    pub(super) fn json(&self) -> Value {
        let took = |took: &Took| json!({ "seconds": took.time.as_secs_f64(), "cpu": took.cpu });
        let labs = self.labs.iter().map(|(lab, title, each)| {
            let mut row = took(each);
            row["lab"] = (*lab).into();
            row["title"] = title.as_str().into();
            row
        });
        json!({ "labs": labs.collect::<Vec<_>>(), "all_labs": took(&self.all()),
            "copies": self.copies, "batch": took(&self.batch), "course": took(&self.course()) })
    }

    fn all(&self) -> Took {
        self.labs
            .iter()
            .fold(Took::default(), |all, (_, _, each)| Took {
                time: all.time + each.time,
                cpu: all.cpu + each.cpu,
            })
    }

    /// The batch, were it a course.
    fn course(&self) -> Took {
        let times = COURSE / f64::from(self.copies);
        Took {
            time: self.batch.time.mul_f64(times),
            cpu: self.batch.cpu * times,
        }
    }

    pub(super) fn print(&self) {
        println!("\ngrading, what is shared being built    seconds  CPU seconds");
        let row = |what: &str, took: &Took| {
            println!(
                "  {what:<36} {:>8.1}     {:>8.1}",
                took.time.as_secs_f64(),
                took.cpu
            );
        };
        for (lab, title, took) in &self.labs {
            row(&format!("lab {lab}, {title}"), took);
        }
        row("all labs", &self.all());
        let what = format!("{} of lab {LAB}, {AT_ONCE} at once", self.copies);
        row(&what, &self.batch);
        row(&format!("so {COURSE} of them"), &self.course());
    }
}

/// Where submissions are graded.
struct Desk<'k> {
    kit: &'k Path,
    workspace: Workspace,
    manifest: Manifest,
    folder: tempfile::TempDir,
}

impl<'k> Desk<'k> {
    fn new(kit: &'k Path) -> Result<Self, Failure> {
        let workspace = Workspace::find()?;
        let own = workspace.own_dir()?;
        Ok(Desk {
            kit,
            manifest: Manifest::read(&workspace)?,
            folder: tempfile::tempdir_in(&own).doing("making a folder in", &own)?,
            workspace,
        })
    }

    /// The report on it, from the beginning.
    fn grade(&self, lab: &Lab, solution: &Path) -> Result<Report, Failure> {
        let place = self.folder.path().join("report.json");
        let _ = fs::remove_file(&place);
        let mut command = Command::new(self.kit);
        command
            .arg("grade")
            .arg(solution)
            .arg("--report")
            .arg(&place);
        command.args(["--lab", &lab.number.to_string()]);
        quietly(&mut command)?;
        let report = Report::read(&place)?;
        // A bench of something that is broken measures nothing.
        if report.outcome != Outcome::Graded || report.points != report.of {
            let message = format!(
                "lab {}'s own solution does not reach its points",
                lab.number
            );
            return Err(Failure::host(message).advise(report.reason));
        }
        Ok(report)
    }

    fn batch(&self, copies: u32) -> Result<(), Failure> {
        let from = self.folder.path().join("submissions");
        let lab = self.manifest.lab(LAB)?;
        let solution = lab.reference(&self.workspace);
        let text = fs::read_to_string(&solution).doing("reading", &solution)?;
        for copy in 0..copies {
            let folder = from.join(format!("student-{copy:03}"));
            fs::create_dir_all(&folder).doing("creating", &folder)?;
            let file = folder.join(lab.file());
            fs::write(&file, format!("{text}\n// Number {copy}.\n")).doing("writing", &file)?;
        }
        let mut command = Command::new(self.kit);
        command.args(["grade", "--batch"]).arg(from).arg("--out");
        command.arg(self.folder.path().join("results"));
        command.args(["--lab", &LAB.to_string(), "--jobs", &AT_ONCE.to_string()]);
        quietly(&mut command)
    }
}

fn quietly(command: &mut Command) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| Failure::host(format!("starting kit: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::host("`kit grade` fails").advise(said))
}

fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(T, Took), Failure> {
    let (begun, before) = (Instant::now(), cpu_of_children()?);
    let done = work()?;
    let took = Took {
        time: begun.elapsed(),
        cpu: cpu_of_children()? - before,
    };
    Ok((done, took))
}

/// CPU seconds of all children that have ended, and of theirs.
fn cpu_of_children() -> Result<f64, Failure> {
    let path = Path::new("/proc/self/stat");
    let text = fs::read_to_string(path).doing("reading", path)?;
    // After the name, which may have anything in it: the 14th and 15th field are `cutime` and `cstime`.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_children_that_is_not_counted() {
        let before = cpu_of_children().unwrap();
        let spin = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let mut child = Command::new("sh");
        quietly(child.args(["-c", &format!("sh -c '{spin}'; true")])).unwrap();
        assert!(cpu_of_children().unwrap() - before > 0.02);
    }
}
