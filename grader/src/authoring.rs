//! What a lab lacks, for whoever writes one: said at once, and all of it.

use std::fs;

use crate::labs::{Lab, Manifest};
use crate::workspace::Workspace;

/// What is not as it has to be: a line for each file of a lab that is missing, or that the manifest does not name.
#[must_use]
pub fn complaints(workspace: &Workspace, lab: &Lab) -> Vec<String> {
    let folder = lab.path(workspace);
    let place = |file: &str| format!("labs/{}/{file}", lab.folder);
    if !folder.is_dir() {
        return vec![format!("labs/{} is missing: the lab's folder", lab.folder)];
    }
    let mut said = Vec::new();
    for (file, what) in needed(lab) {
        if !folder.join(&file).is_file() {
            said.push(format!("{} is missing: {what}", place(&file)));
        }
    }
    if let Some(module) = &lab.module {
        let file = format!("labs/lab/src/{module}.rs");
        if !workspace.root.join(&file).is_file() {
            said.push(format!(
                "{file} is missing: the trait that solutions implement"
            ));
        }
    }
    for check in &lab.checks {
        let mutant = check.mutant.as_ref();
        if let Some(file) = mutant.filter(|file| !workspace.labs().join(file).is_file()) {
            said.push(format!("labs/{file} is missing: `{}` runs on it", check.id));
        }
    }
    for (folder_name, what) in [
        ("wrong", "no `[[lab.wrong]]` says which check it fails"),
        ("hidden", "no check runs it"),
    ] {
        for entry in fs::read_dir(folder.join(folder_name))
            .into_iter()
            .flatten()
            .flatten()
        {
            let file = format!("{folder_name}/{}", entry.file_name().to_string_lossy());
            if !needed(lab).iter().any(|(named, _)| *named == file) {
                said.push(format!("{} is there, and {what}", place(&file)));
            }
        }
    }
    said
}

/// The files that a lab has, each with what it is for.
fn needed(lab: &Lab) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = [
        ("handout.md", "what students read"),
        ("hints.md", "hints, each below a line `## `"),
        ("instructor.md", "common mistakes, for instructors"),
    ]
    .map(|(file, what)| (file.to_owned(), what.to_owned()))
    .into();
    for (name, what) in [
        ("reference", "the solution that must pass"),
        ("starter", "what students begin with, which must fail"),
    ] {
        files.push((format!("{name}.{}", lab.extension()), what.to_owned()));
    }
    for check in &lab.checks {
        if let Some(script) = &check.script {
            files.push((script.clone(), format!("`{}` runs it", check.id)));
        }
    }
    if let Some((case, _)) = &lab.case {
        files.push((case.clone(), "`--lab` boots it".to_owned()));
    }
    for wrong in &lab.wrongs {
        files.push((
            wrong.file.clone(),
            format!("it has to fail `{}`", wrong.check),
        ));
    }
    files
}

/// The folders in `labs/` that have a handout, and that no lab of the manifest has.
#[must_use]
pub fn strays(workspace: &Workspace, manifest: &Manifest) -> Vec<String> {
    let entries = fs::read_dir(workspace.labs())
        .into_iter()
        .flatten()
        .flatten();
    let mut strays: Vec<String> = entries
        .filter(|entry| entry.path().join("handout.md").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !manifest.labs.iter().any(|lab| lab.folder == *name))
        .map(|name| {
            format!("labs/{name} is there, and no `[[lab]]` of labs/manifest.toml has that folder")
        })
        .collect();
    strays.sort();
    strays
}
