//! `kit model`: the formal model of the scoreboard protocol, checked by Spin, and runs held against it.
//!
//! The model is `slides/model/scoreboard.pml`; what it proves is told beside it.

use std::path::PathBuf;

use clap::Args;
use evidence::{Key, Timeline};

use crate::evidence::parse_key;
use crate::run::Outcome;
use crate::status::{Doing, Failure, Status};
use crate::trace;

pub mod mutants;
mod spin;
pub mod steps;

use mutants::{Mutant, RIGHT};
pub use spin::{Checked, Search};

/// Arguments of `kit model`.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// Say whether the run that left this evidence (`kit run --evidence FILE`) is one of the model's
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// With --trace: the run's key, 32 hexadecimal digits; else the one in FILE.key
    #[arg(long, value_name = "HEX", value_parser = parse_key, requires = "trace")]
    pub key: Option<Key>,

    /// With --trace: hold the run against the model with this mistake, such as `NO_DRAIN`
    #[arg(long, value_name = "MUTANT", requires = "trace")]
    pub mutant: Option<String>,

    /// Print the mutants as a table in Markdown, and check nothing
    #[arg(long, conflicts_with = "trace")]
    pub table: bool,
}

/// Checks the model and each mutant of it, or a run.
///
/// # Errors
/// [`Status::Violation`] if the model breaks a rule, a mutant breaks none, or the run is not the model's.
pub fn model(args: &ModelArgs) -> Result<Outcome, Failure> {
    if args.table {
        print!("{}", mutants::table());
        return Ok(Outcome::Done);
    }
    match &args.trace {
        Some(file) => of_run(args, file).map(|()| Outcome::Done),
        None => check_all().map(|()| Outcome::Done),
    }
}

fn check_all() -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for settings in RIGHT {
        let checked = settings.check(None)?;
        let search = settings.search.name();
        println!(
            "{:<24} {search:<9} {:>9} states  {}",
            settings.title(),
            checked.states,
            checked.conclusion()
        );
        if !checked.holds() || checked.states != settings.states {
            wrong.push(settings.title());
        }
    }
    for mutant in &mutants::MUTANTS {
        let checked = mutant.check()?;
        let name = mutant.invariant_name();
        println!(
            "{:<24} {name:<9} {:>9} states  {}",
            mutant.name,
            checked.states,
            checked.conclusion()
        );
        if !mutant.fails_as_it_should(&checked) {
            wrong.push(mutant.name.into());
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!("not as it should be: {}", wrong.join(", "));
    Err(Failure::new(Status::Violation, message))
}

fn of_run(args: &ModelArgs, file: &std::path::Path) -> Result<(), Failure> {
    let bytes = std::fs::read(file)
        .doing("reading", file)
        .map_err(trace::usage)?;
    let evidence = trace::read(file, &bytes, args.key)?;
    if !evidence.defects.is_empty() {
        let message = format!("{}: the evidence proves nothing", file.display());
        return Err(Failure::new(Status::Usage, message));
    }
    let timeline = Timeline::new(evidence.records.clone());
    let wrong = |what: String| Failure::new(Status::Usage, format!("{}: {what}", file.display()));
    let steps = steps::Steps::of(&timeline).map_err(wrong)?;
    let mutant = match &args.mutant {
        None => None,
        Some(name) => Some(Mutant::find(name).map_err(wrong)?),
    };
    let replayed = steps.replay(mutant)?;
    match replayed.stuck {
        None => {
            println!(
                "the run is one of the model's: {} records, {} states",
                steps.len(),
                replayed.states
            );
            Ok(())
        }
        Some(record) => {
            let record = &timeline.records()[record];
            let message = format!(
                "the run is none of the model's: it cannot do as CPU {} does in record {}, {} ({})",
                record.cpu,
                record.number,
                record.event.name(),
                chart::operands(record)
            );
            Err(Failure::new(Status::Violation, message))
        }
    }
}
