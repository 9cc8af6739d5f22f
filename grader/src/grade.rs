//! `kit grade`: a submission in, a verdict out that is right, explained and repeatable.
//!
//! 1. **Evidence, not claims.** Nothing that a solution prints counts. The explorer searches on the host, the machine's
//!    evidence is judged on the host, and held against what QEMU says it delivered ([`crate::labs::court`]).
//! 2. **Three outcomes kept apart**: graded, not gradable, and the host failed. The last is never a student's zero.
//! 3. **There is a report, whatever happens** ([`report`]), written whole after every check; what is in it is not done
//!    again.

pub mod batch;
pub mod digest;
pub mod feedback;
pub mod intake;
pub mod one;
pub mod report;
pub mod show;
pub mod similarity;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::labs::Manifest;
use crate::labs::rig::Shared;
use crate::launch::MACHINE;
use crate::run;
use crate::status::{Failure, Status};
use crate::workspace::Workspace;
use batch::BatchArgs;
use one::{Grader, Order};
use report::{Outcome, Passed};

/// Arguments of `kit grade`.
#[derive(Args, Clone, Debug)]
pub struct GradeArgs {
    /// The solution; with --out also a folder or an archive that it is in
    #[arg(required_unless_present = "batch")]
    file: Option<PathBuf>,

    /// The lab's number; with --out there may be several, or none for whatever was handed in
    #[arg(long, value_name = "N", required_unless_present = "out")]
    lab: Vec<u8>,

    /// Who submitted it; else the file's name
    #[arg(long)]
    name: Option<String>,

    /// Keep the report here, and go on from there
    #[arg(long, value_name = "OUT.json")]
    report: Option<PathBuf>,

    /// How strongly a submission has to be confined: full, strong, weak or limits
    #[arg(long, default_value = "strong", value_parser = ["full", "strong", "weak", "limits"])]
    tier: String,

    /// CPU time in seconds that QEMU may use for a run; who needs more is too slow
    #[arg(long, value_name = "SECONDS", default_value_t = MACHINE.cpu, value_parser = clap::value_parser!(u64).range(1..=86400))]
    machine_cpu: u64,

    /// Say everything of hidden checks too
    #[arg(long)]
    reveal: bool,

    /// Print JSON: one object a check, then the report
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    batch: BatchArgs,
}

/// Does what the arguments say. The points make no difference to the status.
///
/// # Errors
/// [`Status::Usage`] for a lab that is not there, [`Status::Host`] if the host failed.
pub fn grade(args: &GradeArgs) -> Result<run::Outcome, Failure> {
    let machine_cpu = args.machine_cpu.to_string();
    let mut words = vec!["grade", "--tier", &args.tier, "--machine-cpu", &machine_cpu];
    words.extend(args.reveal.then_some("--reveal"));
    let (file, batch) = (args.file.as_deref(), &args.batch);
    if let Some(outcome) = batch.run(file, &args.lab, args.json, &words)? {
        return Ok(outcome);
    }
    let (Some(file), [lab]) = (file, args.lab.as_slice()) else {
        let message = "one solution and one lab were expected";
        return Err(Failure::new(Status::Usage, message)
            .advise("with --out several labs, folders and archives are graded"));
    };
    let workspace = Workspace::find()?;
    let manifest = Manifest::read(&workspace)?;
    let shared = Shared::of_this_program(&workspace)?;
    let name = file.file_name().unwrap_or(file.as_os_str());
    let order = Order {
        name: args
            .name
            .clone()
            .unwrap_or_else(|| name.to_string_lossy().into_owned()),
        solution: regular(file),
        lab: manifest.lab(*lab)?,
        report: args.report.as_deref(),
    };
    let grader = Grader::new(&shared, &args.tier, args.reveal)?.machine_cpu(args.machine_cpu);
    let mut failed = false;
    let report = grader.grade(&order, |checked| {
        if args.json {
            println!("{}", serde_json::json!(checked));
        } else {
            show::check(checked, !failed);
        }
        failed |= checked.passed == Passed::No;
    })?;
    if args.json {
        println!("{}", serde_json::json!(report));
    } else {
        println!();
        show::outcome(&report);
    }
    if report.outcome == Outcome::Infrastructure {
        return Err(Failure::new(Status::Host, "this host could not grade it"));
    }
    Ok(run::Outcome::Done)
}

/// A file that is a file, and can be read.
fn regular(file: &Path) -> Result<PathBuf, String> {
    match std::fs::symlink_metadata(file) {
        Ok(data) if data.is_file() => Ok(file.to_path_buf()),
        Ok(_) => Err(format!("{} is no regular file", file.display())),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}
