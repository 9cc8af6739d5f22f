//! `kit explore`: every interleaving of a protocol, on the host.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use explorer::command::{self, Ending};
use explorer::scenes::Named;
use explorer::{Answerer, Code as _, Host, Impossible, Step, Story, Subject, retell};
use shootdown::{GlobalLock, Protocol, Queue, Scoreboard, Settings};

use crate::labs::{self, answers::Starter, court::Trust};
use crate::run::Outcome;
use crate::status::{Failure, Status};
use crate::terminal;
use crate::workspace::Workspace;

/// What the statuses mean here.
pub const STATUS: &str = "Exit status:
    0  no rule is broken in any scene, and every state of each was looked at
    2  the command line, or a file it names, is wrong
    6  nothing was found, but not every state was looked at: that proves nothing
    8  a rule is broken: the shortest way there is shown";

/// Arguments of `kit explore`.
#[derive(Args, Clone, Debug)]
pub struct ExploreArgs {
    /// A protocol of the kit (scoreboard, global-lock, queue), or a lab's number
    #[arg(value_name = "PROTOCOL|LAB", default_value = "scoreboard", value_parser = parse_what)]
    pub what: What,

    /// With a lab: the solution; else your own copy
    pub file: Option<PathBuf>,

    /// Explore this scene only; may be repeated
    #[arg(long = "scene", value_name = "NAME")]
    pub scenes: Vec<String>,

    /// Look at so many states of a scene at most
    #[arg(long, value_name = "STATES")]
    pub limit: Option<usize>,

    /// Try so many schedules drawn from --seed, instead of looking at every state: for scenes that are too large
    #[arg(long, value_name = "RUNS")]
    pub sample: Option<usize>,

    /// With --sample: what the schedules are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Write the schedule that breaks a rule to FILE
    #[arg(long, value_name = "FILE")]
    pub schedule: Option<PathBuf>,

    /// Take the steps of the schedule in FILE once more, and tell what happens
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenes", "limit", "sample", "schedule"])]
    pub replay: Option<PathBuf>,

    /// Write what breaks a rule to FILE as a script for `kit run` that parks CPUs at points in that order, if that suffices
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,

    /// Draw with ASCII only
    #[arg(long)]
    pub ascii: bool,

    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,

    /// Say which scenes there are
    #[arg(long)]
    pub list: bool,
}

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// A protocol of the kit.
    Protocol(Name),
    /// A solution of the lab of that number.
    Lab(u8),
}

pub(crate) fn parse_what(word: &str) -> Result<What, String> {
    if let Ok(number) = word.parse() {
        return Ok(What::Lab(number));
    }
    let name = Name::from_str(word, false);
    name.map(What::Protocol)
        .map_err(|_| "scoreboard, global-lock, queue or a lab's number was expected".to_owned())
}

/// The kit's protocols.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Name {
    /// FreeBSD's since 2020
    #[default]
    Scoreboard,
    /// What it replaced
    GlobalLock,
    /// In Linux's manner
    Queue,
}

impl Name {
    /// The word by which people call it.
    #[must_use]
    pub fn word(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Subject for Name {
    fn build(&self, machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>> {
        let settings = Settings::default();
        match self {
            Name::Scoreboard => Box::new(Scoreboard::new(machine, cpus, settings)),
            Name::GlobalLock => Box::new(GlobalLock::new(machine, cpus, settings)),
            Name::Queue => Box::new(Queue::new(machine, cpus, 2, settings)),
        }
    }
}

/// Explores.
///
/// # Errors
/// [`Status::Violation`] if a rule is broken, [`Status::Unfinished`] if not every state was looked at,
/// [`Status::Usage`] for a wrong scene or schedule.
pub fn explore(args: &ExploreArgs) -> Result<Outcome, Failure> {
    let ending = match args.what {
        What::Protocol(name) => command::run(&name.word(), &name, words(args)),
        What::Lab(number) => of_lab(number, args)?,
    };
    match ending {
        Ending::Holds => Ok(Outcome::Done),
        Ending::Violation => Err(Failure::new(Status::Violation, "a rule is broken")),
        Ending::Unfinished => Err(Failure::new(
            Status::Unfinished,
            "not every state was looked at, which proves nothing",
        )
        .advise("--limit STATES looks at more")),
        Ending::Host => Err(Failure::host("nothing is known of the solution")),
        Ending::Usage => Err(Failure::new(Status::Usage, "nothing was explored")),
    }
}

/// Explores a solution: it answers, and the search is here.
fn of_lab(number: u8, args: &ExploreArgs) -> Result<Ending, Failure> {
    let code = solution(number, args.file.as_deref())?;
    Ok(command::run("student", &code, words(args)))
}

/// The solution of lab `number`, one's own: `file`, or the student's copy.
fn solution(number: u8, file: Option<&Path>) -> Result<Answerer<'static>, Failure> {
    let kit = env::current_exe()
        .map_err(|error| Failure::host(format!("finding kit itself: {error}")))?;
    let starter = Starter::new(&kit, Trust::Own);
    labs::answerer(&Workspace::find()?, number, file, &starter)
}

/// What happens by these steps with the solution of lab `number` in it.
///
/// # Errors
/// That of the solution or the host; or the step that cannot be taken.
pub(crate) fn retold(
    number: u8,
    scene: &Named,
    steps: &[Step],
) -> Result<Result<Story, Impossible>, Failure> {
    let code = solution(number, None)?;
    let story = retell(&code, &scene.scene, steps);
    code.fault()
        .map_or(Ok(story), |fault| Err(Failure::host(fault)))
}

/// The options with which the kernel runs with the same code in it.
fn machine(args: &ExploreArgs) -> String {
    match (args.what, &args.file) {
        (What::Protocol(name), _) => format!("--proto {}", name.word()),
        (What::Lab(number), None) => format!("--lab {number}"),
        (What::Lab(number), Some(file)) => {
            format!("--lab {number} --solution {}", file.display())
        }
    }
}

/// Does something in which a panic of the explored code is a finding, and says nothing of it.
pub(crate) fn quietly<T>(does: impl FnOnce() -> T) -> T {
    std::panic::set_hook(Box::new(|_| {}));
    let done = does();
    let _ = std::panic::take_hook();
    done
}

/// The arguments as the explorer takes them.
fn words(args: &ExploreArgs) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    let mut option = |name: &str, value: Option<OsString>| {
        words.push(name.into());
        words.extend(value);
    };
    for scene in &args.scenes {
        option("--scene", Some(scene.into()));
    }
    if let Some(limit) = args.limit {
        option("--limit", Some(limit.to_string().into()));
    }
    if let Some(runs) = args.sample {
        option("--sample", Some(runs.to_string().into()));
        option("--seed", Some(args.seed.to_string().into()));
    }
    if args.script.is_some() {
        option("--machine", Some(machine(args).into()));
    }
    for (name, file) in [
        ("--schedule", &args.schedule),
        ("--replay", &args.replay),
        ("--script", &args.script),
    ] {
        if let Some(file) = file {
            option(name, Some(file.into()));
        }
    }
    if let Some(width) = terminal::columns() {
        option("--width", Some(width.to_string().into()));
    }
    for (name, given) in [
        ("--ascii", args.ascii),
        ("--json", args.json),
        ("--list", args.list),
    ] {
        if given {
            option(name, None);
        }
    }
    words
}
