//! `labs/equivalent.toml`: mutants that are right too, each with its reason.

use std::fs;

use serde::Deserialize;

use super::edit::Mutant;
use crate::labs::{Lab, Manifest};
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// The table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalents {
    #[serde(rename = "equivalent", default)]
    entries: Vec<Equivalent>,
}

/// A mutant that is right too. It names every mutant of these words, or the one of that line.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Equivalent {
    /// The lab's number.
    pub lab: u8,
    /// What made it.
    pub operator: String,
    /// The first line that differs, without the space around it.
    pub was: String,
    /// What it became; empty if it was dropped.
    #[serde(default)]
    pub becomes: String,
    /// The line's number, where several have these words.
    pub line: Option<usize>,
    /// Why it is right.
    pub reason: String,
}

impl Equivalents {
    /// Reads the tree's.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if it cannot be read or understood, or names a lab that is not there.
    pub fn read(workspace: &Workspace, manifest: &Manifest) -> Result<Self, Failure> {
        let path = workspace.labs().join("equivalent.toml");
        let text = fs::read_to_string(&path).doing("reading", &path)?;
        let table = Self::parse(&text)
            .map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
        for entry in &table.entries {
            manifest.lab(entry.lab).map_err(|failure| {
                Failure::host(format!("{}: {}", path.display(), failure.message))
            })?;
        }
        Ok(table)
    }

    /// Reads the text of a table.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Equivalents = toml::from_str(text).map_err(|error| error.to_string())?;
        match table
            .entries
            .iter()
            .find(|entry| entry.reason.trim().is_empty())
        {
            Some(entry) => Err(format!("`{}` has no reason", entry.was)),
            None => Ok(table),
        }
    }

    /// The entry that names `mutant` of `lab`, if one does.
    #[must_use]
    pub fn find(&self, lab: &Lab, mutant: &Mutant) -> Option<&Equivalent> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.lab == lab.number && entry.names(mutant))
    }

    /// What is said of every entry for `lab` that names none of its `mutants`.
    #[must_use]
    pub fn stale(&self, lab: &Lab, mutants: &[Mutant]) -> Vec<String> {
        let entries = self.entries.iter().filter(|entry| entry.lab == lab.number);
        entries
            .filter(|entry| !mutants.iter().any(|mutant| entry.names(mutant)))
            .map(|entry| {
                let line = entry
                    .line
                    .map_or(String::new(), |line| format!("line {line}, "));
                format!(
                    "lab {}, {line}{}: `{}` to `{}` names no mutant of the reference",
                    entry.lab, entry.operator, entry.was, entry.becomes
                )
            })
            .collect()
    }
}

impl Equivalent {
    fn names(&self, mutant: &Mutant) -> bool {
        (self.operator.as_str(), &self.was, &self.becomes)
            == (mutant.operator, &mutant.was, &mutant.becomes)
            && self.line.is_none_or(|line| line == mutant.line)
    }
}
