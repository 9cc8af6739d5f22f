//! Kernels with solutions in them that students run and do not read: the victims of lab 8, the case of lab 9.

use std::fs;
use std::path::{Path, PathBuf};

use object::build::elf::Builder;

use crate::labs::rig::Shared;
use crate::labs::{self, Check, Lab, Manifest};
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// A solution that students get as a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prebuilt {
    /// Which, in `labs/`.
    pub source: String,
    /// The lab that it is a solution of.
    pub of: u8,
    /// The folder that the kernel is in, in `labs/`.
    pub folder: String,
    /// Its name there.
    pub file: String,
    /// Whether gdb is to find its variables in it.
    pub debug: bool,
}

impl Prebuilt {
    /// Whether `check` runs on it.
    #[must_use]
    pub fn stands_for(&self, check: &Check) -> bool {
        check.mutant.as_deref() == Some(self.source.as_str()) && check.of == Some(self.of)
    }

    /// Whether `--lab` boots it for `lab`.
    #[must_use]
    pub fn is_case_of(&self, lab: &Lab) -> bool {
        let case = lab.case.as_ref();
        case.is_some_and(|(file, _)| format!("{}/{file}", lab.folder) == self.source)
    }
}

/// The solutions that students need, and whose sources they do not get: `published` says which they do.
pub fn needed(manifest: &Manifest, published: impl Fn(&str) -> bool) -> Vec<Prebuilt> {
    let mut all: Vec<Prebuilt> = Vec::new();
    for lab in &manifest.labs {
        let case = lab.case.as_ref().map(|(file, of)| {
            let source = format!("{}/{file}", lab.folder);
            (source, *of, "case".to_owned(), true)
        });
        // Named after the check: the source's name says what is wrong with it.
        let checks = lab.checks.iter().filter(|check| !check.hidden);
        let run = checks.filter_map(|check| {
            let source = check.mutant.clone()?;
            Some((source, check.of?, check.id.clone(), false))
        });
        for (source, of, name, debug) in case.into_iter().chain(run) {
            let known = all.iter().any(|one| (&one.source, one.of) == (&source, of));
            if !known && !published(&source) {
                all.push(Prebuilt {
                    source,
                    of,
                    folder: lab.folder.clone(),
                    file: format!("{name}.elf"),
                    debug,
                });
            }
        }
    }
    all
}

/// Builds it, and writes the kernel to `to`, with nothing in it of where it was built.
///
/// # Errors
/// If it does not build, or cannot be written.
pub fn build(
    workspace: &Workspace,
    manifest: &Manifest,
    prebuilt: &Prebuilt,
    to: &Path,
) -> Result<(), Failure> {
    let source = workspace.labs().join(&prebuilt.source);
    let folder = workspace.target.join("labs/handout");
    fs::create_dir_all(&folder).doing("creating", &folder)?;
    // By a name that says nothing: the kernel's messages hold it.
    let neutral = folder.join("solution.rs");
    fs::copy(&source, &neutral).doing("reading", &source)?;
    let lab = manifest.lab(prebuilt.of)?;
    let shared = Shared::of_this_program(workspace)?;
    let built = labs::kernel_with(&shared, lab, &neutral, "handout")?;
    let bytes = fs::read(&built).doing("reading", &built)?;
    let bytes = if prebuilt.debug {
        bytes
    } else {
        stripped(&bytes).map_err(|error| Failure::host(format!("{}: {error}", built.display())))?
    };
    fs::write(to, anonymous(bytes, &places(workspace))).doing("writing", to)
}

/// The kernel without what only gdb reads.
fn stripped(bytes: &[u8]) -> object::build::Result<Vec<u8>> {
    let mut builder = Builder::read(bytes)?;
    for section in builder.sections.iter_mut() {
        section.delete = section.name.starts_with(b".debug");
    }
    let mut stripped = Vec::new();
    builder.write(&mut stripped)?;
    Ok(stripped)
}

/// The folders of this machine that a kernel may name.
fn places(workspace: &Workspace) -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let mut places = vec![workspace.target.clone(), workspace.root.clone()];
    places.extend(home);
    places
}

/// `bytes` with each of `places` written over by as many characters.
fn anonymous(mut bytes: Vec<u8>, places: &[PathBuf]) -> Vec<u8> {
    for place in places {
        let name = place.as_os_str().as_encoded_bytes();
        let mut at = 0;
        while let Some(found) = find(&bytes[at..], name) {
            let range = at + found..at + found + name.len();
            bytes[range.clone()].fill(b'/');
            at = range.end;
        }
    }
    bytes
}

fn find(bytes: &[u8], name: &[u8]) -> Option<usize> {
    aho_corasick::AhoCorasick::new([name])
        .ok()?
        .find(bytes)
        .map(|found| found.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_this_machine_that_is_given_away() {
        let bytes = b"a\0/home/me/kit/x.rs\0/home/me/kit\0/home".to_vec();
        let made = anonymous(bytes, &[PathBuf::from("/home/me/kit")]);
        assert_eq!(made, b"a\0/////////////x.rs\0////////////\0/home");
    }
}
