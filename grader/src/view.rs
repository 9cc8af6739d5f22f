//! `kit view`: a run, a counterexample or a report as one HTML file, which needs nothing else.
//!
//! What is shown is a [`chart`]; the page that shows it is made of `slides/viewer/`.

use std::fs;
use std::path::{Path, PathBuf};

use chart::Chart;
use clap::Args;
use evidence::Key;

use crate::evidence::parse_key;
use crate::explore::{What, parse_what};
use crate::run::{self, Outcome, RunArgs};
use crate::say;
use crate::status::{Doing, Failure};

pub mod live;
pub mod page;
mod source;

/// Arguments of `kit view`.
#[derive(Args, Clone, Debug)]
pub struct ViewArgs {
    /// Evidence (`kit run --evidence FILE`), a schedule (`kit explore --schedule FILE`), or JSON with charts
    /// in it (`kit explore --json`, reports); two files are shown side by side
    #[arg(value_name = "FILE", num_args = 0..=2, required_unless_present_any = ["command", "script", "live"], conflicts_with_all = ["command", "script", "live"])]
    pub files: Vec<PathBuf>,

    /// Run the machine, and serve a page to this host's browsers alone that follows it, its console beside it
    #[arg(long, conflicts_with_all = ["command", "script", "page", "chart"])]
    pub live: bool,

    /// Write the page to this file; else to FILE.html, or shootdown.html for a run made at once
    #[arg(long, value_name = "OUT.html")]
    pub page: Option<PathBuf>,

    /// Write the charts as JSON to this file, and no page unless --page is given
    #[arg(long, value_name = "OUT.json")]
    pub chart: Option<PathBuf>,

    /// The key of the evidence, 32 hexadecimal digits; else the one in FILE.key
    #[arg(long, value_name = "HEX", value_parser = parse_key)]
    pub key: Option<Key>,

    /// Whose steps a schedule's are: a protocol of the kit, or a lab's number for your own copy
    #[arg(long, value_name = "PROTOCOL|LAB", default_value = "scoreboard", value_parser = parse_what)]
    pub of: What,

    /// The run, with --command or --script.
    #[command(flatten, next_help_heading = "Options of a run made at once")]
    pub run: RunArgs,
}

/// Writes the page.
///
/// # Errors
/// [`crate::status::Status::Usage`] for a file in which nothing can be shown; a run made at once that failed
/// fails with its own status once its page is written.
pub fn view(args: &ViewArgs) -> Result<Outcome, Failure> {
    if args.live {
        return live::follow(&args.run);
    }
    if args.files.is_empty() {
        return view_run(args);
    }
    let each: Result<Vec<_>, _> = args
        .files
        .iter()
        .map(|file| source::charts(file, args.key, args.of))
        .collect();
    write(args, &each?, &page_of(&args.files[0]))?;
    Ok(Outcome::Done)
}

/// The page's file where none is said: beside the trace.
fn page_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".html");
    name.into()
}

/// Makes a run, and shows what it left however it ended.
fn view_run(args: &ViewArgs) -> Result<Outcome, Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::host(format!("making a folder for the evidence: {error}")))?;
    let mut run = args.run.clone();
    let kept = run.machine.evidence.clone();
    let file = kept.unwrap_or_else(|| folder.path().join("evidence"));
    run.machine.evidence = Some(file.clone());
    run.quiet = true;
    let outcome = run::run(&run);
    println!();
    let shown = source::charts(&file, args.key, args.of).and_then(|mut charts| {
        if let [chart] = &mut charts[..] {
            chart.title = title(&args.run);
        }
        write(args, &[charts], Path::new("shootdown.html"))
    });
    match (outcome, shown) {
        (Ok(outcome), shown) => shown.map(|()| outcome),
        // How the run ended says more than what is wrong with what it left.
        (Err(failure), shown) => {
            if let Err(second) = shown {
                say::line(&second);
            }
            Err(failure)
        }
    }
}

fn title(run: &RunArgs) -> String {
    match (&run.script, &run.command) {
        (Some(file), _) => file.display().to_string(),
        (None, Some(command)) => command.clone(),
        (None, None) => "a run".into(),
    }
}

/// Writes what was asked for: the page, of the first chart of each file, with all others to choose.
fn write(args: &ViewArgs, files: &[Vec<Chart>], usual: &Path) -> Result<(), Failure> {
    let charts: Vec<&Chart> = files.iter().flatten().collect();
    if let Some(out) = &args.chart {
        let text = serde_json::to_string(&charts)
            .map_err(|error| Failure::host(format!("writing JSON: {error}")))?;
        fs::write(out, text).doing("writing", out)?;
        if args.page.is_none() {
            return Ok(());
        }
    }
    let beside = (files.len() > 1).then(|| files[0].len());
    let out = args.page.as_deref().unwrap_or(usual);
    fs::write(out, page::page(&charts, beside)).doing("writing", out)?;
    say::line(format_args!(
        "{} is written: open it in a browser",
        out.display()
    ));
    Ok(())
}
