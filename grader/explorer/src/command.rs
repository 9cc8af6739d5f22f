//! The explorer as a program: what `kit explore` runs for the kit's protocols, and what is built around a
//! student's file.
//!
//! ```text
//! [--scene NAME]... [--limit STATES] [--transfers RUNS] [--sample RUNS] [--seed N] [--schedule FILE] [--replay FILE] [--width N] [--ascii] [--json] [--list]
//! ```
//!
//! | status | means |
//! |---|---|
//! | 0 | no scene breaks a rule, and every state of each was looked at; or a replay ended well |
//! | 1 | a rule is broken: the shortest way there is shown |
//! | 2 | the command line, or a file that it names, is wrong |
//! | 3 | nothing was found, but not every state was looked at: that proves nothing |
//!
//! Without `--scene` those scenes are explored in which nothing goes wrong that no protocol can help.
//!
//! With `--transfers` so many schedules of each scene are drawn, and the transfers of cache lines counted.
//!
//! With `--json` each line is one object: `scene` and `states`, `complete`, `seconds` of a scene that was
//! looked at; for a violation also `invariant`, `rule`, `violation`, `words`, `lanes`, `schedule` and `chart`,
//! which `kit view` shows.

use crate::machine::Step;
use crate::report::{self, Verdict};
use crate::scenes::{self, Named};
use crate::schedule;
use crate::search::{Subject, sample, shortest, verify};
use crate::showing;
use crate::story::{Impossible, Story, retell};
use crate::transfers::transfers;
use lexopt::prelude::{Long, ValueExt};
use serde_json::json;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// How many states are looked at in one scene, unless the command line says otherwise.
const LIMIT: usize = 20_000_000;

/// How many states are looked at for a shorter way to what was found.
const SHORTENED: usize = 2_000_000;

/// How exploring ended; the number is the program's status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Ending {
    /// Nothing is broken, and nothing was left out.
    Holds = 0,
    /// A rule is broken.
    Violation = 1,
    /// The command line, or a file that it names, is wrong.
    Usage = 2,
    /// Not every state was looked at.
    Unfinished = 3,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> ExitCode {
        ExitCode::from(ending as u8)
    }
}

struct Options {
    scenes: Vec<Named>,
    limit: usize,
    /// Instead of looking at every state.
    sample: Option<usize>,
    /// Instead of looking for what is broken.
    transfers: Option<usize>,
    seed: u64,
    schedule: Option<PathBuf>,
    replay: Option<PathBuf>,
    width: usize,
    ascii: bool,
    json: bool,
    list: bool,
}

/// Explores `subject`, which people know as `name`, as `arguments` say. What is found goes to standard
/// output, what is wrong with the arguments to standard error.
pub fn run<I>(name: &str, subject: &dyn Subject, arguments: I) -> Ending
where
    I: IntoIterator<Item: Into<OsString>>,
{
    // A panic of the explored code is a finding, told as one.
    std::panic::set_hook(Box::new(|_| {}));
    let ending = parse(lexopt::Parser::from_args(arguments))
        .and_then(|options| carry_out(name, subject, &options));
    let _ = std::panic::take_hook();
    ending.unwrap_or_else(|message| {
        eprintln!("explore: {message}");
        Ending::Usage
    })
}

fn parse(mut words: lexopt::Parser) -> Result<Options, String> {
    let mut options = Options {
        scenes: Vec::new(),
        limit: LIMIT,
        sample: None,
        transfers: None,
        seed: 0,
        schedule: None,
        replay: None,
        width: 80,
        ascii: false,
        json: false,
        list: false,
    };
    let wrong = |error: lexopt::Error| error.to_string();
    while let Some(word) = words.next().map_err(wrong)? {
        match word {
            Long("scene") => {
                let name = words.value().map_err(wrong)?;
                let known = name.to_str().and_then(scenes::find);
                options.scenes.push(known.ok_or_else(|| {
                    let names: Vec<_> = scenes::every().map(|scene| scene.name).collect();
                    format!("there is no scene {name:?}: {}", names.join(", "))
                })?);
            }
            Long("limit") => {
                let limit = words.value().map_err(wrong)?;
                options.limit = limit.parse().map_err(wrong)?;
            }
            Long("sample") => {
                let runs = words.value().map_err(wrong)?;
                options.sample = Some(runs.parse().map_err(wrong)?);
            }
            Long("transfers") => {
                let runs = words.value().map_err(wrong)?;
                options.transfers = Some(runs.parse().map_err(wrong)?);
            }
            Long("seed") => {
                let seed = words.value().map_err(wrong)?;
                options.seed = seed.parse().map_err(wrong)?;
            }
            Long("width") => {
                let width: usize = words.value().map_err(wrong)?.parse().map_err(wrong)?;
                options.width = width.max(40);
            }
            Long("schedule") => options.schedule = Some(words.value().map_err(wrong)?.into()),
            Long("replay") => options.replay = Some(words.value().map_err(wrong)?.into()),
            Long("ascii") => options.ascii = true,
            Long("json") => options.json = true,
            Long("list") => options.list = true,
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.scenes.is_empty() {
        options.scenes = scenes::all();
        options.scenes.extend(scenes::switching_all());
        options.scenes.extend(scenes::kernel_all());
    }
    Ok(options)
}

fn carry_out(name: &str, subject: &dyn Subject, options: &Options) -> Result<Ending, String> {
    if options.list {
        for scene in scenes::every() {
            println!("{:<17} {}", scene.name, scene.doc);
        }
        return Ok(Ending::Holds);
    }
    if let Some(file) = &options.replay {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("reading {}: {error}", file.display()))?;
        let (scene, steps) =
            schedule::read(&text).map_err(|error| format!("{}, {error}", file.display()))?;
        return replay(name, subject, &scene, &steps, options);
    }
    if let Some(runs) = options.transfers {
        return Ok(count(subject, runs, options));
    }
    let mut worst = Ending::Holds;
    for scene in &options.scenes {
        let begun = Instant::now();
        let outcome = match options.sample {
            Some(runs) => sample(subject, &scene.scene, runs, options.seed),
            None => verify(subject, &scene.scene, options.limit),
        };
        let seconds = begun.elapsed().as_secs_f64();
        let (states, complete) = (outcome.states, outcome.complete);
        if let Some(deep) = outcome.found {
            // The first way found is a long one.
            // Of a large scene, as far as there is room for.
            let limit = options.limit.min(SHORTENED);
            let short = shortest(subject, &scene.scene, limit).found;
            let steps = short.map_or(deep.steps, |found| found.steps);
            return violated(name, subject, scene, &steps, options);
        }
        if options.json {
            println!(
                "{}",
                json!({ "scene": scene.name, "states": states, "complete": complete,
                    "seconds": seconds })
            );
        } else {
            let (what, end) = match (complete, options.sample) {
                (true, _) => ("states", "holds in every state".to_owned()),
                (false, Some(runs)) => (
                    "steps ",
                    format!(
                        "nothing found in {runs} schedules of seed {}, which proves nothing",
                        options.seed
                    ),
                ),
                (false, None) => (
                    "states",
                    "nothing found, but not every state was looked at".to_owned(),
                ),
            };
            println!("{:<17} {states:>9} {what}  {end}", scene.name);
        }
        if !complete {
            worst = Ending::Unfinished;
        }
    }
    Ok(worst)
}

/// Counts the transfers of cache lines.
fn count(subject: &dyn Subject, runs: usize, options: &Options) -> Ending {
    for scene in &options.scenes {
        let Some(count) = transfers(subject, &scene.scene, runs, options.seed) else {
            println!("{}: a rule is broken: explore it first", scene.name);
            return Ending::Violation;
        };
        if options.json {
            println!(
                "{}",
                json!({ "scene": scene.name, "runs": runs, "transfers": count })
            );
        } else {
            println!(
                "{:<17} {count:>9} transfers of cache lines in {runs} schedules of seed {}",
                scene.name, options.seed
            );
        }
    }
    Ending::Holds
}

/// Tells of a way that breaks a rule, and keeps it where the options say.
fn violated(
    name: &str,
    subject: &dyn Subject,
    scene: &Named,
    steps: &[Step],
    options: &Options,
) -> Result<Ending, String> {
    let ending = replay(name, subject, scene, steps, options)?;
    if let Some(file) = &options.schedule {
        let text = schedule::write(
            &format!("the shortest way found in which {name} breaks a rule"),
            scene.name,
            steps,
        );
        std::fs::write(file, text)
            .map_err(|error| format!("writing {}: {error}", file.display()))?;
        if !options.json {
            println!("the schedule is in {}", file.display());
        }
    }
    Ok(ending)
}

/// Takes the steps once more, and tells what happens.
fn replay(
    name: &str,
    subject: &dyn Subject,
    scene: &Named,
    steps: &[Step],
    options: &Options,
) -> Result<Ending, String> {
    let told = retell(subject, &scene.scene, steps);
    let story = told.map_err(|Impossible { number, step }| {
        format!(
            "step {number}, `{}`, cannot be taken there: the code, or the schedule, is another",
            schedule::line(step)
        )
    })?;
    let Some(violation) = &story.violation else {
        if options.json {
            let chart = showing::chart(name, scene, &story);
            println!(
                "{}",
                json!({ "scene": scene.name, "steps": steps.len(), "chart": chart })
            );
        } else {
            print!("{}", report::text(&story, options.width, options.ascii));
            println!("no rule is broken in these {} steps", steps.len());
        }
        return Ok(Ending::Holds);
    };
    let verdict = report::verdict(&story, violation);
    if options.json {
        let lanes = report::text(&story, options.width, options.ascii);
        let lines: Vec<String> = steps.iter().map(|&step| schedule::line(step)).collect();
        println!(
            "{}",
            json!({ "scene": scene.name, "invariant": (verdict.invariant != 0).then_some(verdict.invariant),
                "rule": report::rule(verdict.invariant), "violation": violation.to_string(),
                "words": verdict.words, "lanes": lanes, "schedule": lines,
                "chart": showing::chart(name, scene, &story) })
        );
    } else {
        tell(name, scene, &story, &verdict, options);
    }
    Ok(Ending::Violation)
}

fn tell(name: &str, scene: &Named, story: &Story, verdict: &Verdict, options: &Options) {
    println!(
        "{name} breaks a rule, in scene `{}`: {}\n",
        scene.name, scene.doc
    );
    print!("{}", report::text(story, options.width, options.ascii));
    if let Some(violation) = &story.violation {
        println!("\n{violation}");
    }
    let number = verdict.invariant;
    if number != 0 {
        println!("I{number}: {}", report::rule(number));
    }
    if let Some(words) = &verdict.words {
        println!("{words}");
    }
}
