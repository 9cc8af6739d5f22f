//! Checking the mutants of a lab.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::digest as deciding;
use super::edit::Mutant;
use super::{operators, scripts};
use crate::digest;
use crate::kernel::persist;
use crate::labs::check::Solution;
use crate::labs::court::Trust;
use crate::labs::rig::Shared;
use crate::labs::{Kind, Lab};
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// What the lab's checks say of a mutant.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does not compile, or is not what a solution may be.
    NotViable,
    /// This check fails.
    Caught(String),
    /// None does.
    Survived,
}

/// Every mutant of a lab's reference, and the reference.
///
/// # Errors
/// [`crate::status::Status::Host`] if it cannot be read, or is no Rust.
pub fn mutants(workspace: &Workspace, lab: &Lab) -> Result<(String, Vec<Mutant>), Failure> {
    let path = lab.reference(workspace);
    let source = fs::read_to_string(&path).doing("reading", &path)?;
    if lab.module.is_none() {
        let answers: Vec<&str> = lab
            .checks
            .iter()
            .filter_map(|check| check.answer.as_deref())
            .collect();
        let made = scripts::mutants(&source, &answers);
        return Ok((source, made));
    }
    let made = operators::mutants(&source)
        .map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
    Ok((source, made))
}

/// Checks mutants of one lab, and keeps what came of it.
pub struct Runner<'l> {
    shared: &'l Arc<Shared>,
    lab: &'l Lab,
    /// The digest of all that decides but the mutant itself.
    digest: String,
    kept: PathBuf,
    file: PathBuf,
}

impl<'l> Runner<'l> {
    /// Prepares a run.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if a file cannot be read, or a folder made.
    pub fn new(shared: &'l Arc<Shared>, lab: &'l Lab) -> Result<Self, Failure> {
        let workspace = &shared.workspace;
        let parts = [deciding::tree(workspace)?, deciding::lab(workspace, lab)?];
        let kept = workspace.own_dir()?.join("mutants");
        fs::create_dir_all(&kept).doing("creating", &kept)?;
        let folder = workspace.target.join("labs").join(slot(lab));
        fs::create_dir_all(&folder).doing("creating", &folder)?;
        Ok(Runner {
            shared,
            lab,
            digest: digest::of(&[parts[0].as_bytes(), parts[1].as_bytes()]),
            kept,
            file: folder.join(format!("mutant.{}", lab.extension())),
        })
    }

    /// What the checks say of `mutant`: what was kept, if it is known.
    ///
    /// # Errors
    /// The host's.
    pub fn verdict(&self, mutant: &Mutant) -> Result<Verdict, Failure> {
        let key = digest::of(&[self.digest.as_bytes(), mutant.source.as_bytes()]);
        let kept = self.kept.join(format!("{key}.json"));
        let known = fs::read_to_string(&kept).ok();
        if let Some(verdict) = known.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(verdict);
        }
        let verdict = self.check(mutant)?;
        let text = serde_json::to_string(&verdict)
            .map_err(|error| Failure::host(format!("writing {}: {error}", kept.display())))?;
        let mut file = NamedTempFile::new_in(&self.kept).doing("writing", &kept)?;
        file.write_all(text.as_bytes()).doing("writing", &kept)?;
        persist(file, &kept)?;
        Ok(verdict)
    }

    fn check(&self, mutant: &Mutant) -> Result<Verdict, Failure> {
        fs::write(&self.file, &mutant.source).doing("writing", &self.file)?;
        let slot = slot(self.lab);
        let mut solution = Solution::new(self.shared, self.lab, &self.file, &slot, Trust::Own)?;
        Ok(match solution.first_failure()? {
            None => Verdict::Survived,
            Some(check) if matches!(check.kind, Kind::Rules | Kind::Compiles) => Verdict::NotViable,
            Some(check) => Verdict::Caught(check.id.clone()),
        })
    }
}

/// Where mutants of `lab` are built.
fn slot(lab: &Lab) -> String {
    format!("mutate-{}", lab.number)
}
