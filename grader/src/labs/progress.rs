//! What a student has reached: kept beside the work, and written whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::kernel::persist;
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// For each lab what was reached.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Progress {
    #[serde(default)]
    lab: BTreeMap<String, Reached>,
}

/// What was reached in one lab.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Reached {
    /// The points of the best check so far.
    #[serde(default)]
    pub points: u32,
    /// Whether everything passed once.
    #[serde(default)]
    pub passed: bool,
    /// How many hints were shown.
    #[serde(default)]
    pub hints: u32,
}

fn file(workspace: &Workspace) -> PathBuf {
    super::work(workspace).join("progress.toml")
}

impl Progress {
    /// What is kept; nothing if there is nothing yet.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if the file is there and cannot be read or understood.
    pub fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let path = file(workspace);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error).doing("reading", &path),
        };
        toml::from_str(&text).map_err(|error| {
            Failure::host(format!("{}: {error}", path.display()))
                .advise("it only holds your progress: delete it to begin anew")
        })
    }

    /// What was reached in lab `number`.
    pub fn of(&self, number: u8) -> Reached {
        let reached = self.lab.get(&number.to_string());
        reached.cloned().unwrap_or_default()
    }

    /// Changes what was reached in lab `number`, and keeps it.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if it cannot be written.
    pub fn change(
        &mut self,
        workspace: &Workspace,
        number: u8,
        change: impl FnOnce(&mut Reached),
    ) -> Result<(), Failure> {
        change(self.lab.entry(number.to_string()).or_default());
        let path = file(workspace);
        let folder = super::work(workspace);
        fs::create_dir_all(&folder).doing("creating", &folder)?;
        let text = toml::to_string(self)
            .map_err(|error| Failure::host(format!("writing {}: {error}", path.display())))?;
        let mut made = NamedTempFile::new_in(&folder).doing("writing", &path)?;
        std::io::Write::write_all(&mut made, text.as_bytes()).doing("writing", &path)?;
        persist(made, &path)
    }
}
