//! The explorer as `kit explore` has it, for the kit's protocols and for a student's file.
//!
//! ```text
//! [--scene NAME]... [--limit STATES] [--transfers RUNS] [--sample RUNS] [--seed N] [--schedule FILE] [--replay FILE] [--script FILE [--machine OPTIONS]] [--width N] [--ascii] [--json] [--list]
//! ```
//!
//! Without `--scene` those scenes are explored in which nothing goes wrong that no protocol can help.
//!
//! With `--transfers` so many schedules of each scene are drawn, and the transfers of cache lines counted.
//!
//! With `--script` what breaks a rule is also written as a script of the kernel's shell, if points suffice;
//! `--machine` says with which options the kit runs the kernel with the same code in it.
//!
//! With `--json` each line is one object: `scene` and `states`, `complete`, `seconds` of a scene that was
//! looked at; for a violation also `invariant`, `rule`, `violation`, `words`, `lanes`, `schedule`, `chart`,
//! which `kit view` shows, and `script`, or `unscripted`, which says why there is none.

use crate::code::Code;
use crate::finding::{self, Broken, Explored, LIMIT, View, explored};
use crate::machine::Step;
use crate::report;
use crate::scenes::{self, Named};
use crate::schedule;
use crate::showing;
use crate::story::{Impossible, retell};
use crate::transfers::transfers;
use lexopt::prelude::{Long, ValueExt};
use serde_json::json;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

/// How exploring ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ending {
    /// Nothing is broken, and nothing was left out; or a replay ended well.
    Holds,
    /// A rule is broken: the shortest way there is shown.
    Violation,
    /// The command line, or a file that it names, is wrong.
    Usage,
    /// Nothing was found, but not every state was looked at: that proves nothing.
    Unfinished,
    /// The host failed: nothing is known.
    Host,
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
    script: Option<PathBuf>,
    machine: String,
    view: View,
    json: bool,
    list: bool,
}

/// Explores `code`, which people know as `name`, as `arguments` say. What is found goes to standard
/// output, what is wrong with the arguments to standard error.
pub fn run<I>(name: &str, code: &dyn Code, arguments: I) -> Ending
where
    I: IntoIterator<Item: Into<OsString>>,
{
    // A panic of the explored code is a finding, told as one.
    std::panic::set_hook(Box::new(|_| {}));
    let ending = parse(lexopt::Parser::from_args(arguments))
        .and_then(|options| carry_out(name, code, &options));
    let _ = std::panic::take_hook();
    if let Some(fault) = code.fault() {
        eprintln!("explore: {fault}");
        return Ending::Host;
    }
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
        script: None,
        machine: String::new(),
        view: View::default(),
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
                options.view.width = width.max(40);
            }
            Long("schedule") => options.schedule = Some(words.value().map_err(wrong)?.into()),
            Long("replay") => options.replay = Some(words.value().map_err(wrong)?.into()),
            Long("script") => options.script = Some(words.value().map_err(wrong)?.into()),
            Long("machine") => {
                options.machine = words.value().map_err(wrong)?.parse().map_err(wrong)?
            }
            Long("ascii") => options.view.ascii = true,
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

fn carry_out(name: &str, code: &dyn Code, options: &Options) -> Result<Ending, String> {
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
        return replay(name, code, &scene, &steps, options);
    }
    if let Some(runs) = options.transfers {
        return Ok(count(code, runs, options));
    }
    let mut worst = Ending::Holds;
    for scene in &options.scenes {
        let begun = Instant::now();
        let runs = options.sample.map(|runs| (runs, options.seed));
        let explored = explored(code, scene, options.limit, runs, options.view);
        let seconds = begun.elapsed().as_secs_f64();
        if code.fault().is_some() {
            return Ok(Ending::Host);
        }
        if let Some(broken) = &explored.broken {
            tell(name, scene, broken, options)?;
            keep(name, scene, broken, options)?;
            return Ok(Ending::Violation);
        }
        looked_at(scene, &explored, seconds, options);
        if !explored.complete {
            worst = Ending::Unfinished;
        }
    }
    Ok(worst)
}

/// Says that nothing was found.
fn looked_at(scene: &Named, explored: &Explored, seconds: f64, options: &Options) {
    let (states, complete) = (explored.states, explored.complete);
    if options.json {
        println!(
            "{}",
            json!({ "scene": scene.name, "states": states, "complete": complete,
                "seconds": seconds })
        );
        return;
    }
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

/// Counts the transfers of cache lines.
fn count(code: &dyn Code, runs: usize, options: &Options) -> Ending {
    for scene in &options.scenes {
        let Some(count) = transfers(code, &scene.scene, runs, options.seed) else {
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

/// Keeps the way to what is broken where the options say.
fn keep(name: &str, scene: &Named, broken: &Broken, options: &Options) -> Result<(), String> {
    let Some(file) = &options.schedule else {
        return Ok(());
    };
    let text = schedule::write(
        &format!("the shortest way found in which {name} breaks a rule"),
        scene.name,
        &broken.steps,
    );
    std::fs::write(file, text).map_err(|error| format!("writing {}: {error}", file.display()))?;
    if !options.json {
        println!("the schedule is in {}", file.display());
    }
    Ok(())
}

/// Takes the steps once more, and tells what happens.
fn replay(
    name: &str,
    code: &dyn Code,
    scene: &Named,
    steps: &[Step],
    options: &Options,
) -> Result<Ending, String> {
    let told = retell(code, &scene.scene, steps);
    let story = told.map_err(|Impossible { number, step }| {
        format!(
            "step {number}, `{}`, cannot be taken there: the code, or the schedule, is another",
            schedule::line(step)
        )
    })?;
    if let Some(violation) = &story.violation {
        let broken = finding::broken(&story, violation, steps, options.view);
        tell(name, scene, &broken, options)?;
        return Ok(Ending::Violation);
    }
    if options.json {
        let chart = showing::chart(name, scene, &story);
        println!(
            "{}",
            json!({ "scene": scene.name, "steps": steps.len(), "chart": chart })
        );
    } else {
        let View { width, ascii } = options.view;
        print!("{}", report::text(&story, width, ascii));
        println!("no rule is broken in these {} steps", steps.len());
    }
    Ok(Ending::Holds)
}

/// Tells of a way that breaks a rule, and writes the script that goes it in the kernel.
fn tell(name: &str, scene: &Named, broken: &Broken, options: &Options) -> Result<(), String> {
    let script = broken.script(scene, &options.machine);
    if let (Some(file), Ok(text)) = (&options.script, &script) {
        std::fs::write(file, text)
            .map_err(|error| format!("writing {}: {error}", file.display()))?;
    }
    if options.json {
        let steps = broken.steps.iter();
        let lines: Vec<String> = steps.map(|&step| schedule::line(step)).collect();
        println!(
            "{}",
            json!({ "scene": scene.name, "invariant": broken.invariant, "rule": broken.rule,
                "violation": broken.violation, "words": broken.words, "lanes": broken.lanes,
                "schedule": lines, "chart": showing::chart(name, scene, &broken.story),
                "script": script.as_ref().ok(), "unscripted": script.as_ref().err() })
        );
        return Ok(());
    }
    println!(
        "{name} breaks a rule, in scene `{}`: {}\n",
        scene.name, scene.doc
    );
    print!("{}", broken.lanes);
    println!("\n{}", broken.violation);
    if let Some(number) = broken.invariant {
        println!("I{number}: {}", broken.rule);
    }
    if let Some(words) = &broken.words {
        println!("{words}");
    }
    match (&options.script, script) {
        (None, _) => {}
        (Some(file), Ok(_)) => println!("the script is in {}", file.display()),
        (Some(_), Err(why)) => println!("no script was written: {why}"),
    }
    Ok(())
}
