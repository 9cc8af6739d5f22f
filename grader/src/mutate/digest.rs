//! Digests of all that decides what a mutant's verdict is.

use crate::digest::{files, of, read};
use crate::labs::{Check, Lab};
use crate::status::Failure;
use crate::workspace::Workspace;

/// What solutions are built with and checked by, in the kit's tree.
const FOLDERS: [&str; 8] = [
    "gdb/src",
    "grader/explorer/src",
    "grader/src/labs",
    "kernel",
    "labs/lab",
    "labs/rig",
    "shell/src",
    "Cargo.lock",
];

/// What only says what came of it, or tests it.
const ASIDE: [&str; 4] = [
    "grader/explorer/src/tests",
    "grader/explorer/src/tests.rs",
    "grader/src/labs/command.rs",
    "grader/src/labs/progress.rs",
];

/// The digest of a lab's reference and of its checks: all of the lab that decides. Not of their words.
///
/// # Errors
/// [`crate::status::Status::Host`] if a file cannot be read.
pub fn lab(workspace: &Workspace, lab: &Lab) -> Result<String, Failure> {
    let folder = lab.path(workspace);
    let mut parts = vec![read(&lab.reference(workspace))?];
    for check in &lab.checks {
        let Check {
            id,
            kind,
            scenes,
            script,
            words,
            cpus,
            most,
            bench,
            mutant,
            of,
            answer,
            is,
            ..
        } = check;
        let decides = format!(
            "{id} {kind:?} {scenes:?} {words:?} {cpus:?} {most:?} {bench:?} {of:?} {answer:?} {is:?}"
        );
        parts.push(decides.into_bytes());
        let script = script.as_ref().map(|script| folder.join(script));
        let mutant = mutant.as_ref().map(|file| workspace.labs().join(file));
        for file in script.into_iter().chain(mutant) {
            parts.push(read(&file)?);
        }
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(of(&parts))
}

/// The digest of the sources that solutions are built with and checked by.
///
/// # Errors
/// [`crate::status::Status::Host`] if a file cannot be read.
pub fn tree(workspace: &Workspace) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for name in FOLDERS {
        let path = workspace.root.join(name);
        for file in files(&path)? {
            let name = file.strip_prefix(&workspace.root).unwrap_or(&file);
            if ASIDE.iter().any(|aside| name.starts_with(aside)) {
                continue;
            }
            parts.push(name.to_string_lossy().into_owned().into_bytes());
            parts.push(read(&file)?);
        }
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(of(&parts))
}
