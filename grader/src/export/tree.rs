//! The kit's tree, packed for another machine: what is under version control, without history and without solutions
//! that no check needs.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::labs::Manifest;
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// Folders of a tree without version control that are not the kit's.
const NOT_OURS: [&str; 3] = [".git", "target", "labs/work"];

/// The tree as a tar.gz whose paths begin `kit/`. The same tree gives the same bytes.
pub(super) fn packed(workspace: &Workspace) -> Result<Vec<u8>, Failure> {
    let manifest = Manifest::read(workspace)?;
    let mut files = files(workspace)?;
    files.retain(|file| !secret(file, &manifest));
    files.sort_unstable();
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for file in files {
        let path = workspace.root.join(&file);
        let meta = path.symlink_metadata().doing("reading", &path)?;
        if !meta.is_file() {
            continue;
        }
        let bytes = fs::read(&path).doing("reading", &path)?;
        let executable = meta.permissions().mode() & 0o111 != 0;
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(if executable { 0o755 } else { 0o644 });
        let name = Path::new("kit").join(&file);
        builder
            .append_data(&mut header, name, bytes.as_slice())
            .doing("packing", &path)?;
    }
    let encoder = builder.into_inner().doing("packing", &workspace.root)?;
    encoder.finish().doing("packing", &workspace.root)
}

/// What shows how a lab is solved, and is no part of a check.
fn secret(file: &Path, manifest: &Manifest) -> bool {
    let Ok(inside) = file.strip_prefix("labs") else {
        return false;
    };
    let checks = manifest.labs.iter().flat_map(|lab| &lab.checks);
    let needed = checks.filter_map(|check| check.mutant.as_deref());
    if needed.into_iter().any(|mutant| Path::new(mutant) == inside) {
        return false;
    }
    let stem = inside.file_stem().unwrap_or_default();
    let wrong = inside
        .parent()
        .is_some_and(|folder| folder.ends_with("wrong"));
    wrong || stem == "reference" || stem == "instructor"
}

/// The tree's files, by their paths in it.
fn files(workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
    let root = &workspace.root;
    if !root.join(".git").exists() {
        let mut files = Vec::new();
        walk(root, Path::new(""), &mut files)?;
        return Ok(files);
    }
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["ls-files", "-z"]);
    let listed = git
        .stderr(Stdio::inherit())
        .output()
        .doing("running git in", root)?;
    if !listed.status.success() {
        return Err(Failure::host(format!(
            "git does not list {}",
            root.display()
        )));
    }
    let names = listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let paths = names.map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(name)));
    // What was deleted and not committed is still listed.
    Ok(paths
        .filter(|path| root.join(path).symlink_metadata().is_ok())
        .collect())
}

fn walk(root: &Path, part: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if NOT_OURS.iter().any(|folder| part.ends_with(folder)) {
        return Ok(());
    }
    let path = root.join(part);
    for entry in fs::read_dir(&path).doing("reading", &path)? {
        let entry = entry.doing("reading", &path)?;
        let inner = part.join(entry.file_name());
        match entry.file_type().doing("reading", &path)?.is_dir() {
            true => walk(root, &inner, files)?,
            false => files.push(inner),
        }
    }
    Ok(())
}
