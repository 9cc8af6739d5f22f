//! `kit labs`: what a student types.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::check::{Outcome, Solution, Told};
use super::court::Trust;
use super::progress::Progress;
use super::rig::Shared;
use super::{Check, Kind, Lab, Manifest};
use crate::authoring;
use crate::grade::{feedback, show};
use crate::mutate::{self, command::MutateArgs};
use crate::run;
use crate::say;
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// Arguments of `kit labs`.
#[derive(Args, Clone, Debug)]
pub struct LabsArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Which labs there are, and how far you are (what kit does when nothing else is said)
    List,
    /// Make your own copy of the starter, and say what to do
    Start {
        /// The lab's number
        lab: u8,
    },
    /// Show the next hint
    Hint {
        /// The lab's number
        lab: u8,
    },
    /// Begin anew; what you have is kept beside it
    Reset {
        /// The lab's number
        lab: u8,
    },
    /// Check your solution
    Check(CheckArgs),
    /// Check it again whenever you save it, until Ctrl-C
    Watch(CheckArgs),
    /// Show the kit's solution; yours has to pass first
    Solution {
        /// The lab's number
        lab: u8,
    },
    /// Check small mistakes in the kit's own solutions: each must fail, or be known to change nothing
    Mutate(MutateArgs),
    /// Check the kit's own solutions: the right ones must pass, the wrong ones fail as they should
    Verify {
        /// The lab's number; else all
        lab: Option<u8>,
    },
}

#[derive(Args, Clone, Debug)]
struct CheckArgs {
    /// The lab's number
    lab: u8,

    /// The solution; else your own copy
    file: Option<PathBuf>,

    /// Print JSON, one object a check
    #[arg(long)]
    json: bool,
}

/// Does what the arguments say.
///
/// # Errors
/// [`Status::CommandFailed`] if a check fails; [`Status::Usage`] for a lab or file that is not there.
pub fn labs(args: &LabsArgs) -> Result<run::Outcome, Failure> {
    let workspace = Workspace::find()?;
    let manifest = Manifest::read(&workspace)?;
    match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(&workspace, &manifest)?,
        Action::Start { lab } => start(&workspace, manifest.lab(*lab)?)?,
        Action::Hint { lab } => hint(&workspace, manifest.lab(*lab)?)?,
        Action::Reset { lab } => reset(&workspace, manifest.lab(*lab)?)?,
        Action::Check(args) => check(&workspace, manifest.lab(args.lab)?, args)?,
        Action::Watch(args) => watch(&workspace, manifest.lab(args.lab)?, args)?,
        Action::Solution { .. } | Action::Mutate(_) | Action::Verify { .. } if manifest.handout => {
            let message = "this is the students' tree: the kit's solutions are not in it";
            return Err(Failure::new(Status::Usage, message));
        }
        Action::Solution { lab } => solution(&workspace, manifest.lab(*lab)?)?,
        Action::Mutate(args) => mutate::command::mutate(&workspace, &manifest, args)?,
        Action::Verify { lab } => match lab {
            Some(number) => verify(&workspace, manifest.lab(*number)?)?,
            None => {
                complete(authoring::strays(&workspace, &manifest))?;
                for lab in &manifest.labs {
                    verify(&workspace, lab)?;
                }
            }
        },
    }
    Ok(run::Outcome::Done)
}

fn list(workspace: &Workspace, manifest: &Manifest) -> Result<(), Failure> {
    let progress = Progress::read(workspace)?;
    for lab in &manifest.labs {
        let reached = progress.of(lab.number);
        let state = match (reached.passed, reached.points) {
            (true, _) => "passed".to_owned(),
            (false, 0) if lab.work(workspace).exists() => "begun".to_owned(),
            (false, 0) => "-".to_owned(),
            (false, points) => format!("{points} of {}", lab.points()),
        };
        println!(
            "{:>2}  {:<20} {:<9} about {:>3} min  {}",
            lab.number, lab.title, state, lab.minutes, lab.summary
        );
    }
    let mut open = manifest.labs.iter();
    if let Some(next) = open.find(|lab| !progress.of(lab.number).passed) {
        let begun = next.work(workspace).exists();
        let verb = if begun { "check" } else { "start" };
        println!("\ngo on with: cargo kit labs {verb} {}", next.number);
    }
    Ok(())
}

fn start(workspace: &Workspace, lab: &Lab) -> Result<(), Failure> {
    let work = lab.work(workspace);
    if work.exists() {
        println!("{} is there already: go on with it", shown(&work));
    } else {
        copy(
            &lab.path(workspace)
                .join(format!("starter.{}", lab.extension())),
            &work,
        )?;
        println!("your copy is {}", shown(&work));
    }
    let handout = lab.path(workspace).join("handout.md");
    println!("what to do is in {}", shown(&handout));
    println!("cargo kit labs check {}   says how far you are", lab.number);
    println!(
        "cargo kit labs watch {}   the same, each time you save",
        lab.number
    );
    println!("cargo kit labs hint {}    one hint at a time", lab.number);
    Ok(())
}

/// Copies a file, so that it is there whole or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).doing("creating", folder)?;
    let bytes = fs::read(from).doing("reading", from)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).doing("writing", to)?;
    file.write_all(&bytes).doing("writing", to)?;
    crate::kernel::persist(file, to)
}

fn hint(workspace: &Workspace, lab: &Lab) -> Result<(), Failure> {
    let path = lab.path(workspace).join("hints.md");
    let text = fs::read_to_string(&path).doing("reading", &path)?;
    let hints: Vec<&str> = text.split("\n## ").skip(1).collect();
    let mut progress = Progress::read(workspace)?;
    let shown = progress.of(lab.number).hints as usize;
    let Some(next) = hints.get(shown.min(hints.len().saturating_sub(1))) else {
        return Err(Failure::host(format!("{} has no hints", path.display())));
    };
    let number = (shown + 1).min(hints.len());
    println!("hint {number} of {}: {}", hints.len(), next.trim_end());
    if shown >= hints.len() {
        println!("\nthat was the last one before, too: the handout says what to read");
    }
    progress.change(workspace, lab.number, |reached| {
        reached.hints = number as u32;
    })
}

fn reset(workspace: &Workspace, lab: &Lab) -> Result<(), Failure> {
    let work = lab.work(workspace);
    if work.exists() {
        let kept = (1..)
            .map(|number| work.with_extension(format!("{number}.{}", lab.extension())))
            .find(|path| !path.exists())
            .unwrap_or_else(|| work.with_extension("old"));
        fs::rename(&work, &kept).doing("renaming", &work)?;
        println!("what you had is now {}", shown(&kept));
    }
    start(workspace, lab)
}

fn solution(workspace: &Workspace, lab: &Lab) -> Result<(), Failure> {
    if !Progress::read(workspace)?.of(lab.number).passed {
        let message = format!("lab {} has not passed yet", lab.number);
        return Err(Failure::new(Status::CommandFailed, message)
            .advise(format!("cargo kit labs check {}", lab.number))
            .advise(format!("cargo kit labs hint {}", lab.number)));
    }
    let path = lab.reference(workspace);
    print!("{}", fs::read_to_string(&path).doing("reading", &path)?);
    Ok(())
}

fn check(workspace: &Workspace, lab: &Lab, args: &CheckArgs) -> Result<(), Failure> {
    let file = lab.solution(workspace, args.file.as_deref())?;
    let slot = format!("lab-{}", lab.number);
    let shared = Shared::of_this_program(workspace)?;
    let mut solution = Solution::new(&shared, lab, &file, &slot, Trust::Own)?;
    let mut worst = None;
    let outcomes = solution.check(|check, outcome| {
        if args.json {
            println!("{}", as_json(check, outcome));
        } else {
            show::check(&feedback::checked(lab, check, outcome), worst.is_none());
        }
        if let Outcome::Failed(told) = outcome {
            worst.get_or_insert_with(|| (check.clone(), told.clone()));
        }
    })?;
    let points = points(lab, &outcomes);
    let passed = outcomes
        .iter()
        .all(|outcome| matches!(outcome, Outcome::Passed(_)));
    if !args.json {
        println!("\n{points} of {} points", lab.points());
        if lab.elsewhere > 0 {
            let hidden = lab.elsewhere;
            println!("{hidden} of them are for checks that only your instructor has");
        }
        if let Some(value) = solution.leaderboard() {
            show::leaderboard(value);
        }
    }
    if let (Some(value), true) = (solution.leaderboard(), args.json) {
        println!("{}", serde_json::json!({ "leaderboard": value }));
    }
    if args.file.is_none() {
        Progress::read(workspace)?.change(workspace, lab.number, |reached| {
            reached.points = reached.points.max(points);
            reached.passed |= passed;
        })?;
    }
    let Some((check, told)) = worst else {
        if !args.json {
            println!("lab {}, {}: passed", lab.number, lab.title);
            if lab.reference(workspace).is_file() {
                println!(
                    "cargo kit labs solution {}   how the kit does it",
                    lab.number
                );
            }
        }
        return Ok(());
    };
    let mut failure = Failure::new(
        Status::CommandFailed,
        format!("lab {}: `{}` failed", lab.number, check.id),
    )
    .advise(format!("cargo kit labs hint {}", lab.number));
    if let Some(schedule) = &told.schedule {
        let path = workspace
            .own_dir()?
            .join(format!("lab-{}.schedule", lab.number));
        fs::write(&path, schedule).doing("writing", &path)?;
        failure = failure.advise(format!(
            "cargo kit explore {} {} --replay {}",
            lab.number,
            shown(&file),
            shown(&path)
        ));
    }
    Err(failure)
}

/// The points that the checks which passed are worth.
fn points(lab: &Lab, outcomes: &[Outcome]) -> u32 {
    let passed = lab.checks.iter().zip(outcomes);
    passed
        .filter(|(_, outcome)| matches!(outcome, Outcome::Passed(_)))
        .map(|(check, _)| check.weight)
        .sum()
}

fn as_json(check: &Check, outcome: &Outcome) -> serde_json::Value {
    let mut object = json!({ "check": check.id, "weight": check.weight, "what": check.what });
    match outcome {
        Outcome::Passed(how) => {
            object["outcome"] = json!("passed");
            object["how"] = json!(how);
        }
        Outcome::Skipped(id) => {
            object["outcome"] = json!("skipped");
            object["after"] = json!(id);
        }
        Outcome::Failed(told) => {
            object["outcome"] = json!("failed");
            object["invariant"] = json!(told.invariant);
            object["seen"] = json!(told.seen);
            object["picture"] = json!(told.picture);
            object["schedule"] = json!(told.schedule);
            object["chart"] = json!(told.chart);
            object["why"] = json!(check.why);
            object["hint"] = json!(check.hint);
            object["again"] = json!(told.again);
        }
    }
    object
}

/// How often a file's time of change is looked at.
const LOOK: Duration = Duration::from_millis(300);

fn watch(workspace: &Workspace, lab: &Lab, args: &CheckArgs) -> Result<(), Failure> {
    let file = lab.solution(workspace, args.file.as_deref())?;
    let changed = || fs::metadata(&file).and_then(|data| data.modified()).ok();
    loop {
        let seen = changed();
        match check(workspace, lab, args) {
            Ok(()) => {}
            Err(failure) if failure.status == Status::CommandFailed => say::line(&failure),
            Err(failure) => return Err(failure),
        }
        println!("waiting for {} to change; Ctrl-C ends", shown(&file));
        // An editor may replace the file: for a moment there is none.
        while changed() == seen || changed().is_none() {
            thread::sleep(LOOK);
        }
        println!();
    }
}

/// Checks that the reference passes, that the starter fails, and that each wrong solution fails as it should.
fn verify(workspace: &Workspace, lab: &Lab) -> Result<(), Failure> {
    complete(authoring::complaints(workspace, lab))?;
    let folder = lab.path(workspace);
    let slot = format!("verify-{}", lab.number);
    let shared = Shared::of_this_program(workspace)?;
    let [reference, starter] =
        ["reference", "starter"].map(|name| format!("{name}.{}", lab.extension()));
    let wrong = |message: String| Failure::new(Status::CommandFailed, message);
    let first = |file: &str| -> Result<Option<(Check, Told)>, Failure> {
        let mut first = None;
        Solution::new(&shared, lab, &folder.join(file), &slot, Trust::Own)?.check(
            |check, outcome| {
                if let Outcome::Failed(told) = outcome {
                    first.get_or_insert_with(|| (check.clone(), told.clone()));
                }
            },
        )?;
        Ok(first)
    };
    if let Some((check, told)) = first(&reference)? {
        return Err(wrong(format!(
            "lab {}: the reference fails `{}`: {}\n{}",
            lab.number, check.id, told.seen, told.picture
        )));
    }
    println!("{:>2}  {reference} passes", lab.number);
    let Some((check, _)) = first(&starter)? else {
        return Err(wrong(format!("lab {}: the starter passes", lab.number)));
    };
    println!("{:>2}  {starter} fails `{}`", lab.number, check.id);
    if ["rules", "compiles"].contains(&check.id.as_str()) {
        return Err(wrong(format!(
            "lab {}: the starter fails `{}` already",
            lab.number, check.id
        )));
    }
    for expected in &lab.wrongs {
        let file = &expected.file;
        let Some((check, told)) = first(file)? else {
            return Err(wrong(format!("lab {}: {file} passes", lab.number)));
        };
        let invariant = told
            .invariant
            .map_or(String::new(), |number| format!("I{number}"));
        let said = format!("{invariant} {}", told.seen);
        let mut words = said.split(|c: char| !c.is_alphanumeric());
        let says = words.any(|word| word == expected.says);
        if check.id != expected.check || !says {
            return Err(wrong(format!(
                "lab {}: {file} was to fail `{}` with {}; it fails `{}` with {said}",
                lab.number, expected.check, expected.says, check.id
            )));
        }
        println!(
            "{:>2}  {file} fails `{}`, {invariant}",
            lab.number, check.id
        );
    }
    for check in unproven(lab) {
        println!(
            "{:>2}  note: no wrong solution is said to fail `{check}`",
            lab.number
        );
    }
    Ok(())
}

/// Refuses a lab that lacks something.
fn complete(complaints: Vec<String>) -> Result<(), Failure> {
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Status::CommandFailed, complaints.join("\n"))
        .advise("labs/AUTHORING.md says what a lab is made of"))
}

/// The checks that nothing shows to tell right from wrong. One that reads the source needs nothing, and one that is
/// hidden asks what another asks, of another machine.
fn unproven(lab: &Lab) -> Vec<&str> {
    let asks =
        |check: &&Check| !matches!(check.kind, Kind::Rules | Kind::Compiles) && !check.hidden;
    let ids = lab
        .checks
        .iter()
        .filter(asks)
        .map(|check| check.id.as_str());
    ids.filter(|id| !lab.wrongs.iter().any(|wrong| wrong.check == *id))
        .collect()
}

/// A path as a person would type it.
fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .unwrap_or(path)
        .display()
        .to_string()
}
