//! Checking a solution: what a lab's manifest asks for, one check after the other.
//!
//! Nothing that the solution prints counts. The explorer's search is here, and the solution only answers what it does;
//! the machine's verdict comes from the evidence channel, judged on the host.

mod machine;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chart::Chart;
use explorer::scenes::{self, Named};
use explorer::{Answerer, Broken, Code as _, LIMIT, View, explored, schedule, showing, transfers};

use super::answers::Starter;
use super::court::{Court, Trust};
use super::rig::{NotBuilt, Rig, Shared};
use super::see::Run;
use super::{Check, Kind, Lab, rules};
use crate::options::Board;
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// In how many schedules transfers are counted.
const SCHEDULES: usize = 100;
/// The compiler's messages are shown up to so many lines.
const LINES: usize = 40;
/// And a line of the machine's up to so many letters.
const LONG: usize = 400;

/// How a check came out.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// As it should, with a word on how much was looked at.
    Passed(String),
    /// Not so.
    Failed(Told),
    /// It was not tried: this one has to pass first.
    Skipped(String),
}

/// What is told of a check that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The invariant that is broken, 1 to 20.
    pub invariant: Option<u8>,
    /// What was seen, in a sentence or a few.
    pub seen: String,
    /// The shortest failing run as lanes, or the compiler's messages.
    pub picture: String,
    /// The schedule that leads there, one step a line.
    pub schedule: Option<String>,
    /// The failing run, for `kit view`: a counterexample, or what is around what was found in the machine's.
    pub chart: Option<Box<Chart>>,
    /// The command that shows it again.
    pub again: Option<String>,
}

/// A solution to be checked.
pub struct Solution<'l> {
    workspace: &'l Workspace,
    lab: &'l Lab,
    file: PathBuf,
    court: Court<'l>,
    /// What is built once for all solutions.
    shared: Arc<Shared>,
    /// What is built around it, if it is Rust.
    rig: Option<Rig>,
    /// The run, if it is a script, once made.
    run: Option<Run>,
    /// How its answering program is started, and that program, once built.
    starter: Starter,
    answerer: Option<Answerer<'static>>,
    /// What was measured: instructions, and transfers of a hundred schedules.
    instructions: Option<u64>,
    transfers: Option<u64>,
}

impl<'l> Solution<'l> {
    /// `file` as a solution of `lab`. `slot` names the folder that it is built in; solutions that are checked at
    /// the same time need different ones. `trust` says whose solution it is.
    ///
    /// # Errors
    /// [`Usage`](crate::status::Status::Usage) if the file cannot be read.
    pub fn new(
        shared: &'l Arc<Shared>,
        lab: &'l Lab,
        file: &Path,
        slot: &str,
        trust: Trust,
    ) -> Result<Self, Failure> {
        let file = super::existing(file)?;
        let rig = match lab.module {
            Some(_) => Some(Rig::new(shared, lab, &file, slot)?),
            None => None,
        };
        Ok(Solution {
            workspace: &shared.workspace,
            lab,
            file,
            court: Court::new(&shared.workspace, &shared.kit, trust),
            shared: shared.clone(),
            rig,
            run: None,
            starter: Starter::new(&shared.kit, trust),
            answerer: None,
            instructions: None,
            transfers: None,
        })
    }

    /// The same, on another machine than QEMU's first.
    #[must_use]
    pub fn on(self, board: Board) -> Self {
        Solution {
            court: self.court.on(board),
            ..self
        }
    }

    /// QEMU may use so many seconds of CPU time for a run of a stranger's.
    #[must_use]
    pub fn cpu_seconds(self, seconds: u64) -> Self {
        Solution {
            court: self.court.cpu_seconds(seconds),
            ..self
        }
    }

    /// Carries out every check, and says of each how it came out as soon as it has.
    ///
    /// # Errors
    /// The host's: never the solution's.
    pub fn check(
        &mut self,
        mut say: impl FnMut(&Check, &Outcome),
    ) -> Result<Vec<Outcome>, Failure> {
        let lab = self.lab;
        let mut passed = BTreeMap::new();
        let mut outcomes = Vec::new();
        for check in &lab.checks {
            let outcome = match missing(check, &passed) {
                Some(id) => Outcome::Skipped(id),
                None => self.one(check)?,
            };
            passed.insert(check.id.clone(), matches!(outcome, Outcome::Passed(_)));
            say(check, &outcome);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Carries out checks, in their order, until one fails: which, if one does.
    ///
    /// # Errors
    /// As [`Solution::check`].
    pub fn first_failure(&mut self) -> Result<Option<&'l Check>, Failure> {
        let lab = self.lab;
        for check in &lab.checks {
            if !matches!(self.one(check)?, Outcome::Passed(_)) {
                return Ok(Some(check));
            }
        }
        Ok(None)
    }

    /// The solution, to be explored.
    fn answerer(&mut self) -> Result<Answerer<'static>, NotBuilt> {
        if let Some(built) = self.answerer.take() {
            return Ok(built);
        }
        let program = self.rig()?.explorer()?;
        Ok(self.starter.answerer(program, self.lab.sends()))
    }

    /// The kernel with the solution in it.
    ///
    /// # Errors
    /// [`NotBuilt`].
    pub fn kernel(&self) -> Result<PathBuf, NotBuilt> {
        self.rig()?.kernel()
    }

    /// Carries out one check, whatever it depends on.
    ///
    /// # Errors
    /// The host's: never the solution's.
    pub fn one(&mut self, check: &Check) -> Result<Outcome, Failure> {
        match check.kind {
            Kind::Rules => self.rules(),
            Kind::Compiles => match self.rig()?.check() {
                Ok(()) => Ok(Outcome::Passed(String::new())),
                Err(why) => not_built(why),
            },
            Kind::Explore => self.explore(check),
            Kind::Machine => self.machine(check),
            Kind::Instructions => self.instructions(check),
            Kind::Costs => self.costs(check),
            Kind::Interrupts => self.interrupts(check),
            Kind::Transfers => self.transfers(check),
            Kind::Spares | Kind::Kills => self.breaks(check),
            Kind::Answer => self.answer(check),
            kind => self.see(kind),
        }
    }

    /// The file, as one would type it in the kit's folder, where commands that are told are to be typed.
    fn shown(&self) -> String {
        let root = &self.workspace.root;
        let within = self.file.strip_prefix(root).ok();
        within.unwrap_or(&self.file).display().to_string()
    }

    fn rig(&self) -> Result<&Rig, Failure> {
        self.rig
            .as_ref()
            .ok_or_else(|| Failure::host("the manifest asks for Rust where a lab is a script"))
    }

    /// What a remark of the script says.
    fn answer(&self, check: &Check) -> Result<Outcome, Failure> {
        let bytes = std::fs::read(&self.file).doing("reading", &self.file)?;
        let script = String::from_utf8_lossy(&bytes);
        let name = check.answer.as_deref().unwrap_or_default();
        let prefix = format!("# {name}:");
        let mut said = script
            .lines()
            .filter_map(|line| line.trim().strip_prefix(&prefix));
        let given = said.next().map(str::trim).filter(|given| !given.is_empty());
        let right = check.is.as_deref().unwrap_or_default();
        let seen = match (given, said.next()) {
            (None, _) => format!("a line `{prefix} …` was expected in the script"),
            (_, Some(_)) => format!("one line `{prefix} …` was expected, and there are several"),
            (Some(given), None) if super::answer::is_right(given, right) => {
                return Ok(Outcome::Passed(String::new()));
            }
            (Some(given), None) => format!("the {name} is not {given}"),
        };
        Ok(failed(Told {
            seen,
            ..Told::default()
        }))
    }

    fn rules(&self) -> Result<Outcome, Failure> {
        let broken = rules::examine(&self.shared, self.rig()?.source())?;
        if broken.is_empty() {
            return Ok(Outcome::Passed(String::new()));
        }
        let lines: Vec<String> = broken.iter().map(ToString::to_string).collect();
        Ok(failed(Told {
            seen: lines.join("\n"),
            ..Told::default()
        }))
    }

    /// What solutions are compared by, where both things were measured: instructions, 200 for each write of the command
    /// register, and 50 for each transfer. The fewer the better.
    pub fn leaderboard(&self) -> Option<u64> {
        Some(self.instructions? + self.transfers? / 2)
    }

    fn transfers(&mut self, check: &Check) -> Result<Outcome, Failure> {
        let code = match self.answerer() {
            Ok(code) => code,
            Err(why) => return not_built(why),
        };
        let all = scenes(check)?;
        let counts = all
            .iter()
            .map(|named| transfers(&code, &named.scene, SCHEDULES, 0));
        let count: Option<u64> = counts.sum();
        if let Some(fault) = code.fault() {
            return Err(Failure::host(fault));
        }
        self.answerer = Some(code);
        let Some(count) = count else {
            return Ok(failed(Told {
                seen: "the schedules could not be run to their ends".into(),
                ..Told::default()
            }));
        };
        self.transfers = Some(count);
        let again = format!(
            "cargo kit explore {} {} --scene {} --transfers {SCHEDULES}",
            self.lab.number,
            self.shown(),
            check.scenes.join(" --scene ")
        );
        let said =
            format!("{count} transfers of cache lines in {SCHEDULES} schedules; {{}} will do");
        Ok(within(check, count, &said, again))
    }

    fn explore(&mut self, check: &Check) -> Result<Outcome, Failure> {
        let code = match self.answerer() {
            Ok(code) => code,
            Err(why) => return not_built(why),
        };
        let mut states = 0;
        for named in scenes(check)? {
            let explored = explored(&code, &named, LIMIT, None, View::default());
            if let Some(fault) = code.fault() {
                return Err(Failure::host(fault));
            }
            if let Some(broken) = &explored.broken {
                return Ok(failed(self.broken(&named, broken)));
            }
            if !explored.complete {
                return Ok(failed(Told {
                    seen: format!(
                        "scene {} has more states than the explorer looks at: nothing was found, which proves \
                         nothing",
                        named.name
                    ),
                    ..Told::default()
                }));
            }
            states += explored.states;
        }
        self.answerer = Some(code);
        Ok(Outcome::Passed(format!("{states} states, all of them")))
    }

    fn broken(&self, named: &Named, broken: &Broken) -> Told {
        let mut seen = broken.violation.clone();
        for more in [broken.words.as_deref().unwrap_or_default(), broken.rule] {
            if !more.is_empty() {
                let _ = write!(seen, "\n{more}");
            }
        }
        let (lab, file, scene) = (self.lab.number, self.shown(), named.name);
        let mut again = format!("cargo kit explore {lab} {file} --scene {scene}");
        // Where points suffice, also as a script that does it in the machine.
        if broken.script(named, "").is_ok() {
            let script = format!("--script lab-{lab}-{scene}.tlb");
            let _ = write!(
                again,
                " {script}\nin the kernel: cargo kit trace --judge --lab {lab} --solution {file} --deterministic {script}"
            );
        }
        let header = format!("scene {scene}\n");
        let lines = broken.steps.iter().map(|&step| schedule::line(step) + "\n");
        Told {
            invariant: broken.invariant,
            seen,
            picture: broken.lanes.clone(),
            schedule: Some(lines.fold(header, |all, line| all + &line)),
            chart: Some(Box::new(showing::chart("student", named, &broken.story))),
            again: Some(again),
        }
    }
}

/// The first check that `check` depends on and that is not among those that have `passed`.
pub fn missing(check: &Check, passed: &BTreeMap<String, bool>) -> Option<String> {
    let mut depends = check.depends.iter();
    depends.find(|id| passed.get(*id) != Some(&true)).cloned()
}

/// The scenes of a check.
fn scenes(check: &Check) -> Result<Vec<Named>, Failure> {
    let found = check.scenes.iter().map(|name| {
        scenes::find(name).ok_or_else(|| Failure::host(format!("there is no scene {name}")))
    });
    found.collect()
}

fn failed(told: Told) -> Outcome {
    Outcome::Failed(told)
}

/// A solution that does not compile has failed; a host that cannot build has not.
fn not_built(why: NotBuilt) -> Result<Outcome, Failure> {
    match why {
        NotBuilt::Host(failure) => Err(failure),
        NotBuilt::Compiler(said) => Ok(failed(Told {
            seen: "the compiler says:".into(),
            picture: head(&said),
            ..Told::default()
        })),
        NotBuilt::Limit(limit) => Ok(failed(Told {
            seen: super::too_much(limit),
            ..Told::default()
        })),
    }
}

fn head(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().take(LINES).collect();
    if text.lines().count() > LINES {
        lines.push("…");
    }
    lines.join("\n") + "\n"
}

/// What a script's last expectation saw, if that ended it.
fn unmet(transcript: &str) -> Option<String> {
    let mut lines = transcript.lines().rev();
    lines.find(|line| line.starts_with("script: stopped"))?;
    let expected = lines.next()?.trim();
    let seen = lines.next()?.strip_prefix("error: unmet: ")?;
    Some(format!("{seen}; {expected}"))
}

/// The last lines of what a machine wrote; of one that is very long only its beginning.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines[from..].iter().fold(String::new(), |mut all, line| {
        match line.char_indices().nth(LONG) {
            Some((end, _)) => all.extend([&line[..end], "…"]),
            None => all.push_str(line),
        }
        all + "\n"
    })
}

/// Whether what was measured is no more than is allowed; `said` is what to say of it, with `{}` for that.
fn within(check: &Check, measured: u64, said: &str, again: String) -> Outcome {
    let most = check.most.unwrap_or(0);
    let said = said.replace("{}", &most.to_string());
    if measured <= most {
        return Outcome::Passed(said);
    }
    failed(Told {
        seen: said,
        again: Some(again),
        ..Told::default()
    })
}
