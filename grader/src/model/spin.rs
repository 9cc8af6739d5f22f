//! Spin, run: it makes a program of a model, which searches every state.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::setup::{self, Policy, in_path};
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

const MODEL: &str = include_str!("../../../slides/model/scoreboard.pml");
/// The most steps of one way; a search that meets it is not complete.
const DEPTH: &str = "-m1000000";

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Search {
    /// A broken assertion, and states in which nothing can happen any more though somebody waits.
    Safety,
    /// Ways on which a shootdown that began never returns, though every process that can go on does.
    Claim,
}

impl Search {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Search::Safety => "safety",
            Search::Claim => "returns",
        }
    }
}

/// What a search found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// How many states were looked at.
    pub states: u64,
    /// What is broken, in Spin's words.
    pub broken: Option<String>,
    /// Whether every state was looked at, up to what is broken.
    pub complete: bool,
    /// The lines of the run's steps that no way came to.
    pub unreached: Vec<usize>,
}

impl Checked {
    /// Whether nothing is broken in any state.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.complete && self.broken.is_none()
    }

    /// In words.
    #[must_use]
    pub fn conclusion(&self) -> &str {
        match &self.broken {
            Some(broken) => broken,
            None if self.complete => "holds in every state",
            None => "nothing found, but not every state was looked at",
        }
    }
}

/// Searches the model with these macros; `trace` are the steps of a run, if it is to follow one.
/// A search that is `large` has a million states.
///
/// # Errors
/// [`Status::Missing`] without Spin or a C compiler.
pub(super) fn check(
    macros: &[String],
    search: Search,
    large: bool,
    trace: Option<&str>,
) -> Result<Checked, Failure> {
    let spin = setup::spin(&Workspace::find()?, Policy::Install)?;
    let compiler = in_path("gcc").or_else(|| in_path("cc")).ok_or_else(|| {
        Failure::new(Status::Missing, "there is no C compiler").advise("run: apt-get install gcc")
    })?;
    let folder =
        tempfile::tempdir().map_err(|error| Failure::host(format!("making a folder: {error}")))?;
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).doing("writing", &path)
    };
    write("scoreboard.pml", MODEL)?;
    write("trace.pml", trace.unwrap_or_default())?;
    let mut generate = Command::new(spin);
    generate.arg("-a");
    generate.args(macros.iter().map(|name| format!("-D{name}")));
    if search == Search::Claim {
        generate.arg("-DCLAIM");
    }
    run(generate.arg("scoreboard.pml"), folder.path())?;
    let mut compile = Command::new(compiler);
    compile.args(["-w", "-DCOLLAPSE", "-DVECTORSZ=8192", "-o", "pan"]);
    // Compiling takes longer than a small search.
    compile.arg(if large { "-O2" } else { "-O0" });
    compile.arg(match search {
        Search::Safety => "-DSAFETY",
        Search::Claim => "-DNFAIR=4",
    });
    run(compile.arg("pan.c"), folder.path())?;
    let mut pan = Command::new(folder.path().join("pan"));
    pan.arg(DEPTH);
    match (search, trace) {
        (Search::Claim, _) => drop(pan.args(["-a", "-f"])),
        // Ways that end before the run does are of no interest, nor what goes wrong on them.
        (Search::Safety, Some(_)) => drop(pan.args(["-E", "-c0"])),
        (Search::Safety, None) => {}
    }
    Ok(read(&run(&mut pan, folder.path())?))
}

/// Runs to the end, and what was said.
fn run(command: &mut Command, folder: &Path) -> Result<String, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .current_dir(folder)
        .output()
        .map_err(|error| Failure::host(format!("starting {name}: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && !said.contains("Error: ") {
        return Ok(said);
    }
    let last: Vec<&str> = said.lines().chain(complaint.lines()).take(8).collect();
    Err(Failure::host(format!("{name} failed ({})", output.status)).advise(last.join("\n")))
}

fn read(said: &str) -> Checked {
    let broken = said.lines().find_map(|line| line.strip_prefix("pan:1: "));
    let states = said
        .lines()
        .find_map(|line| line.split_once(" states, stored"));
    let number = |text: &str| text.trim().parse().ok();
    let unreached = said.split("unreached in proctype Trace").nth(1);
    let lines = unreached.unwrap_or_default().lines().skip(1);
    let lines = lines.take_while(|line| line.starts_with('\t'));
    Checked {
        states: states
            .and_then(|(before, _)| number(before))
            .unwrap_or_default(),
        broken: broken.map(str::to_owned),
        complete: states.is_some() && !said.contains("max search depth too small"),
        unreached: lines.filter_map(line_of).collect(),
    }
}

/// The line that `trace.pml:12, state 7, ...` names.
fn line_of(text: &str) -> Option<usize> {
    let (_, after) = text.split_once("trace.pml:")?;
    after.split(',').next()?.parse().ok()
}
