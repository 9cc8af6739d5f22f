//! `kit labs mutate`.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Args;

use super::edit::Mutant;
use super::equivalent::Equivalents;
use super::page;
use super::report::Report;
use super::run::{Runner, Verdict, mutants};
use crate::labs::rig::Shared;
use crate::labs::{Lab, Manifest};
use crate::status::{Failure, Status};
use crate::workspace::Workspace;

/// Arguments of `kit labs mutate`.
#[derive(Args, Clone, Debug)]
pub struct MutateArgs {
    /// The lab's number; else all whose solutions are Rust
    lab: Option<u8>,

    /// Only so many mutants of a lab, drawn by --seed
    #[arg(long, value_name = "N")]
    sample: Option<usize>,

    /// Which ones are drawn
    #[arg(long, value_name = "N", default_value_t = 0, requires = "sample")]
    seed: u64,

    /// Print JSON, one object a lab
    #[arg(long)]
    json: bool,

    /// Write the result into labs/MUTANTS.md
    #[arg(long, conflicts_with = "sample")]
    page: bool,
}

/// Does what the arguments say.
///
/// # Errors
/// [`Status::CommandFailed`] if a mutant survives that nobody has shown to be right, or the table of those is wrong.
pub fn mutate(
    workspace: &Workspace,
    manifest: &Manifest,
    args: &MutateArgs,
) -> Result<(), Failure> {
    let labs: Vec<&Lab> = match args.lab {
        Some(number) => vec![manifest.lab(number)?],
        None => {
            let labs = manifest.labs.iter();
            labs.filter(|lab| lab.module.is_some()).collect()
        }
    };
    let table = Equivalents::read(workspace, manifest)?;
    let shared = Shared::of_this_program(workspace)?;
    let mut wrong = Vec::new();
    for lab in labs {
        let report = report(&shared, lab, &table, args)?;
        if args.json {
            println!("{}", report.json(lab));
        } else {
            print!("{}", report.text(lab));
        }
        if args.page {
            page::write(workspace, lab, &report)?;
        }
        wrong.extend(
            report
                .stale
                .iter()
                .map(|said| format!("labs/equivalent.toml: {said}")),
        );
        if !report.survivors.is_empty() {
            let count = report.survivors.len();
            wrong.push(format!("lab {}: {count} mutants survive", lab.number));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(Status::CommandFailed, wrong.join("\n"));
    Err(failure.advise(
        "add a check that catches a survivor, or say in labs/equivalent.toml why it is right",
    ))
}

fn report(
    shared: &Arc<Shared>,
    lab: &Lab,
    table: &Equivalents,
    args: &MutateArgs,
) -> Result<Report, Failure> {
    let (original, all) = mutants(&shared.workspace, lab)?;
    let chosen = drawn(&all, args.sample, args.seed);
    let runner = Runner::new(shared, lab)?;
    let mut verdicts: Vec<(&Mutant, Verdict)> = Vec::new();
    for mutant in &chosen {
        progress(lab, verdicts.len(), chosen.len());
        verdicts.push((mutant, runner.verdict(mutant)?));
    }
    progress(lab, chosen.len(), chosen.len());
    Ok(Report::new(lab, &original, table, &all, &verdicts))
}

/// `sample` of `all`, or all, in their order. The same for the same seed.
fn drawn(all: &[Mutant], sample: Option<usize>, seed: u64) -> Vec<&Mutant> {
    let mut chosen: Vec<&Mutant> = all.iter().collect();
    if let Some(sample) = sample {
        chosen.sort_by_key(|mutant| {
            crate::digest::of(&[&seed.to_le_bytes(), mutant.source.as_bytes()])
        });
        chosen.truncate(sample);
        chosen.sort_by_key(|mutant| mutant.line);
    }
    chosen
}

/// One line, written over, where somebody looks.
fn progress(lab: &Lab, done: usize, of: usize) {
    if !io::stderr().is_terminal() {
        return;
    }
    let end = if done == of { "\r\x1b[K" } else { "" };
    eprint!("\rlab {}: {done} of {of} mutants{end}", lab.number);
}
