//! `kit trace`: shows what a run left behind as evidence, and judges it.
//!
//! The evidence is a file that `kit run --evidence FILE` wrote, or that of a run made at once. Lanes,
//! verdict and JSON go to standard output; what is wrong with the evidence itself to standard error.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use evidence::judge::{Verdict, judge};
use evidence::{Evidence, Key, Timeline, decode};
use shootdown::{CpuId, CpuSet};

use crate::evidence::{key_file, parse_key};
use crate::run::{self, Outcome, RunArgs};
use crate::say;
use crate::status::{Doing, Failure, Status};

mod perfetto;
mod text;
mod verdict;

/// How many defects of the evidence are told one by one.
const DEFECTS: usize = 10;

/// Arguments of `kit trace`.
#[derive(Args, Clone, Debug)]
pub struct TraceArgs {
    /// Evidence that a run left (`kit run --evidence FILE`); left out with --command or --script
    #[arg(value_name = "FILE", required_unless_present_any = ["command", "script"], conflicts_with_all = ["command", "script"])]
    pub file: Option<PathBuf>,

    /// The run's key, 32 hexadecimal digits; else the one in FILE.key
    #[arg(long, value_name = "HEX", value_parser = parse_key)]
    pub key: Option<Key>,

    /// Draw the last N shootdowns
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub last: usize,

    /// Draw the shootdown of this number, counted from 0
    #[arg(long, value_name = "N", conflicts_with = "last")]
    pub shootdown: Option<usize>,

    /// Give lanes to these CPUs only, such as `0,2-3`
    #[arg(long = "cpu", value_name = "SET", value_parser = parse_cpus)]
    pub lanes: Option<CpuSet>,

    /// Width of the drawing in characters; else the terminal's, or 80
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(40..=1000))]
    pub width: Option<u16>,

    /// Draw with ASCII only
    #[arg(long)]
    pub ascii: bool,

    /// List the records one by one instead of drawing
    #[arg(long)]
    pub records: bool,

    /// Say of each invariant whether it held, was broken, or cannot be told; anything broken ends with status 8
    #[arg(long)]
    pub judge: bool,

    /// With --judge: print the verdict as one line of JSON
    #[arg(long, requires = "judge")]
    pub json: bool,

    /// Write a trace for ui.perfetto.dev or chrome://tracing
    #[arg(long, value_name = "OUT.json")]
    pub perfetto: Option<PathBuf>,

    /// The run, with --command or --script.
    #[command(flatten, next_help_heading = "Options of a run made at once")]
    pub run: RunArgs,
}

/// What is shown: evidence, in order, with the name by which to ask for it again.
struct Shown {
    name: String,
    evidence: Evidence,
    timeline: Timeline,
}

/// Shows what a run left.
///
/// # Errors
/// [`Status::Usage`] for a file that is not sound evidence, [`Status::Violation`] when the judge was asked
/// and found something broken; a run made at once that failed fails with its own status.
pub fn trace(args: &TraceArgs) -> Result<Outcome, Failure> {
    match &args.file {
        Some(file) => show(args, file, file.display().to_string()).map(|()| Outcome::Done),
        None => trace_run(args),
    }
}

/// Makes a run, and shows what it left however it ended.
fn trace_run(args: &TraceArgs) -> Result<Outcome, Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::host(format!("making a folder for the evidence: {error}")))?;
    let mut run = args.run.clone();
    let kept = run.machine.evidence.clone();
    let file = kept.unwrap_or_else(|| folder.path().join("evidence"));
    run.machine.evidence = Some(file.clone());
    run.quiet = true;
    let outcome = run::run(&run);
    println!();
    let shown = show(args, &file, "FILE".to_owned());
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

fn show(args: &TraceArgs, file: &Path, name: String) -> Result<(), Failure> {
    let bytes = fs::read(file).doing("reading", file).map_err(usage)?;
    let evidence = read(file, &bytes, args.key)?;
    let timeline = Timeline::new(evidence.records.clone());
    let shown = Shown {
        name,
        evidence,
        timeline,
    };
    present(args, &shown)
}

/// The evidence in `bytes`, which are those of `file`; what is wrong with it is said. Without `key` the one
/// beside the file vouches for it.
///
/// # Errors
/// [`Status::Usage`] where there is none.
pub(crate) fn read(file: &Path, bytes: &[u8], key: Option<Key>) -> Result<Evidence, Failure> {
    let key = match key {
        Some(key) => Some(key),
        None => key_beside(file)?,
    };
    if key.is_none() {
        say::line(format_args!(
            "{}: no key, so nothing vouches for what it says (--key, or {})",
            file.display(),
            key_file(file).display()
        ));
    }
    let evidence = decode(bytes, key.as_ref());
    tell_defects(file, &evidence);
    if evidence.header.is_none() && evidence.records.is_empty() {
        let message = format!("{} holds no evidence", file.display());
        return Err(Failure::new(Status::Usage, message)
            .advise("evidence is what `kit run --evidence FILE` writes; its key is in FILE.key"));
    }
    Ok(evidence)
}

fn present(args: &TraceArgs, shown: &Shown) -> Result<(), Failure> {
    if let Some(out) = &args.perfetto {
        let text = perfetto::json(&shown.evidence, &shown.timeline).to_string();
        fs::write(out, text).doing("writing", out)?;
    }
    if args.judge {
        let verdict = judge(&shown.evidence, &shown.timeline);
        if args.json {
            println!("{}", verdict::json(shown, &verdict));
        } else {
            print!("{}", verdict::text(shown, &verdict));
        }
        return conclude(shown, &verdict);
    }
    if args.records {
        print!("{}", text::records(args, shown));
    } else if args.perfetto.is_none() || args.shootdown.is_some() {
        print!("{}", text::drawings(args, shown)?);
    }
    Ok(())
}

/// The verdict as a status.
fn conclude(shown: &Shown, verdict: &Verdict) -> Result<(), Failure> {
    let found = verdict.findings.len();
    if found > 0 {
        let times = if found == 1 { "once" } else { "times" };
        let times = if found == 1 {
            times.to_owned()
        } else {
            format!("{found} {times}")
        };
        let message = format!("invariants were broken {times}");
        return Err(Failure::new(Status::Violation, message));
    }
    if !verdict.sound {
        let defects = shown.evidence.defects.len();
        let why = match defects {
            0 => "there is no key to check it by".to_owned(),
            1 => "it has a defect".to_owned(),
            _ => format!("it has {defects} defects"),
        };
        let message = format!("the evidence proves nothing: {why}");
        return Err(Failure::new(Status::Usage, message));
    }
    Ok(())
}

fn key_beside(file: &Path) -> Result<Option<Key>, Failure> {
    let path = key_file(file);
    match fs::read_to_string(&path) {
        Ok(digits) => match Key::from_hex(digits.trim()) {
            Some(key) => Ok(Some(key)),
            None => Err(usage(Failure::host(format!(
                "{} holds no key: 32 hexadecimal digits were expected",
                path.display()
            )))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing("reading", &path),
    }
}

pub(crate) fn usage(failure: Failure) -> Failure {
    Failure {
        status: Status::Usage,
        ..failure
    }
}

fn tell_defects(file: &Path, evidence: &Evidence) {
    let defects = &evidence.defects;
    for defect in defects.iter().take(DEFECTS) {
        say::line(format_args!("{}: {defect}", file.display()));
    }
    if defects.len() > DEFECTS {
        let more = defects.len() - DEFECTS;
        say::line(format_args!("{}: and {more} defects more", file.display()));
    }
}

/// A set of CPUs of the command line.
fn parse_cpus(text: &str) -> Result<CpuSet, String> {
    let wrong = || {
        format!(
            "CPUs such as `2` or `0,2-3`, below {}, were expected",
            shootdown::MAX_CPUS
        )
    };
    let number = |text: &str| {
        let number = text.trim().parse::<usize>().map_err(|_| wrong())?;
        CpuId::new(number).ok_or_else(wrong)
    };
    let mut set = CpuSet::EMPTY;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(wrong());
        }
        set = (first.index()..=last.index())
            .filter_map(CpuId::new)
            .fold(set, CpuSet::with);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_cpus_read_as_another() {
        let set = |text| parse_cpus(text).map(|set| set.to_string());
        assert_eq!(set("0,2-3").as_deref(), Ok("0,2-3"));
        assert_eq!(set("63").as_deref(), Ok("63"));
        for bad in ["", "64", "3-1", "a", "1,", "-1"] {
            assert!(set(bad).unwrap_err().contains("were expected"), "{bad}");
        }
    }
}
