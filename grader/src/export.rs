//! `kit export`: what courses' platforms need to grade with this kit, and what they read when it has.
//!
//! Each platform is a row of [`PLATFORMS`]: files made from templates around the kit's own tree, and a conversion of
//! [`Report`]s to the document that the platform's contract asks for.
//!
//! 1. **A report of a host that failed becomes no document.** The platform then sees a job that failed, and the job
//!    is run again; a zero would be a student's.
//! 2. **What the manifest hides is not in what students read**, where a platform can keep it from them at all.
//! 3. **A document keeps to its platform's size**, by cutting logs and never points.

mod autolab;
mod classroom50;
mod gradescope;
mod junit;
mod package;
mod prairielearn;
mod slurm;
mod told;
mod tree;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::grade::report::{Outcome, Report};
use crate::labs::Manifest;
use crate::run;
use crate::say;
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;
use package::{Made, Package};

/// Makes a platform's document of reports.
type Convert = fn(&[Report]) -> Result<String, Failure>;

/// A platform that kit can be used on.
#[derive(Clone, Copy)]
struct Platform {
    name: &'static str,
    /// What comes of it, in a phrase.
    what: &'static str,
    /// The files to give to the platform; none if it only reads documents.
    files: Option<fn(&Package<'_>) -> Vec<Made>>,
    /// The document on these reports; none if the platform reads kit's own.
    convert: Option<Convert>,
}

/// The platforms.
const PLATFORMS: [Platform; 6] = [
    Platform {
        name: "gradescope",
        what: "autograder.zip to upload; results.json",
        files: Some(gradescope::files),
        convert: Some(gradescope::convert),
    },
    Platform {
        name: "prairielearn",
        what: "an external grader's image, and info.json for a question; results.json",
        files: Some(prairielearn::files),
        convert: Some(prairielearn::convert),
    },
    Platform {
        name: "autolab",
        what: "autograde-Makefile, autograde.tar, an image; the last line of the output",
        files: Some(autolab::files),
        convert: Some(autolab::convert),
    },
    Platform {
        name: "classroom50",
        what: "a workflow for GitHub Actions and an autograder.py; result.json",
        files: Some(classroom50::files),
        convert: Some(classroom50::convert),
    },
    Platform {
        name: "slurm",
        what: "a job array over a folder of submissions, and a job that sums up",
        files: Some(slurm::files),
        convert: None,
    },
    Platform {
        name: "junit",
        what: "JUnit XML, as CodeGrade and every CI reads it",
        files: None,
        convert: Some(junit::convert),
    },
];

/// Arguments of `kit export`.
#[derive(Args, Clone, Debug)]
#[command(after_help = platforms())]
pub struct ExportArgs {
    /// The platform
    #[arg(value_parser = PLATFORMS.map(|platform| platform.name))]
    platform: String,

    /// A new folder for the platform's files
    #[arg(required_unless_present = "convert")]
    folder: Option<PathBuf>,

    /// A lab that it grades; may be repeated
    #[arg(long, value_name = "N", conflicts_with = "convert")]
    lab: Vec<u8>,

    /// Convert these reports of one submission instead
    #[arg(long, value_name = "REPORT", num_args = 1.., conflicts_with = "folder")]
    convert: Vec<PathBuf>,

    /// With --convert: the file to write; else standard output
    #[arg(long, value_name = "FILE", requires = "convert")]
    to: Option<PathBuf>,
}

fn platforms() -> String {
    let lines = PLATFORMS.map(|platform| format!("  {:13} {}\n", platform.name, platform.what));
    format!("Platforms:\n{}", lines.concat())
}

/// Does what the arguments say.
///
/// # Errors
/// [`Status::Usage`] for reports or folders that are not as expected; [`Status::Host`] if a report says that its host
/// failed: then nothing is written, so that the platform runs the job again.
pub fn export(args: &ExportArgs) -> Result<run::Outcome, Failure> {
    let found = PLATFORMS
        .iter()
        .find(|platform| platform.name == args.platform);
    let platform = found.ok_or_else(|| Failure::new(Status::Usage, "there is no such platform"))?;
    match &args.folder {
        Some(folder) => make(platform, folder, &args.lab)?,
        None => convert(platform, &args.convert, args.to.as_deref())?,
    }
    Ok(run::Outcome::Done)
}

fn make(platform: &Platform, folder: &Path, labs: &[u8]) -> Result<(), Failure> {
    let Some(files) = platform.files else {
        let message = format!("{} has no files of its own", platform.name);
        let line = format!("kit export {} --convert REPORT --to FILE", platform.name);
        return Err(Failure::new(Status::Usage, message).advise(line));
    };
    let workspace = Workspace::find()?;
    let manifest = Manifest::read(&workspace)?;
    if labs.is_empty() {
        let message = "which labs it grades was expected: --lab N";
        return Err(Failure::new(Status::Usage, message));
    }
    for lab in labs {
        manifest.lab(*lab)?;
    }
    let tree = tree::packed(&workspace)?;
    let package = Package { labs, tree };
    let made = files(&package);
    package::write(folder, &made)?;
    for file in made {
        say::line(format_args!("{}", folder.join(file.name).display()));
    }
    Ok(())
}

fn convert(platform: &Platform, paths: &[PathBuf], to: Option<&Path>) -> Result<(), Failure> {
    let Some(convert) = platform.convert else {
        let message = format!("{} reads kit's own reports", platform.name);
        return Err(Failure::new(Status::Usage, message));
    };
    let reports = paths.iter().map(|path| Report::read(path));
    let reports = reports.collect::<Result<Vec<Report>, Failure>>()?;
    let document = document(convert, &reports)?;
    let Some(to) = to else {
        return std::io::stdout()
            .write_all(document.as_bytes())
            .doing("writing", Path::new("standard output"));
    };
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).doing("creating", folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).doing("writing", to)?;
    file.write_all(document.as_bytes()).doing("writing", to)?;
    // The platform may be another user.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(file.path(), mode).doing("writing", to)?;
    crate::kernel::persist(file, to)
}

/// The document on reports that are final.
fn document(convert: Convert, reports: &[Report]) -> Result<String, Failure> {
    for report in reports {
        let reason = match report.outcome {
            Outcome::Graded | Outcome::NotGradable => continue,
            Outcome::Infrastructure => &report.reason,
            Outcome::Running => "grading was ended in the middle",
        };
        let (who, lab) = (&report.submission, report.lab);
        let message = format!("lab {lab} of {who} was not graded: this host failed: {reason}");
        return Err(Failure::host(message).advise("run the job again: it is nobody's zero"));
    }
    convert(reports)
}

/// A document as JSON.
fn json(document: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::host(format!("writing JSON: {error}")))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests;
