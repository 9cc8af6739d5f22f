//! What was graded, and by what: SHA-256, in hexadecimal.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// What a verdict depends on, in the tree.
const PARTS: [&str; 8] = [
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "gdb",
    "grader",
    "kernel",
    "labs",
    "shell",
];
/// Folders that hold what people made there, not the kit's own.
const LEFT_OUT: [&str; 3] = ["labs/work", "target", "__pycache__"];

/// Of some bytes.
#[must_use]
pub fn of(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

/// Of the kit: the names and contents of all files that a verdict depends on.
///
/// # Errors
/// [`crate::status::Status::Host`] if one cannot be read.
pub fn of_kit(workspace: &Workspace) -> Result<String, Failure> {
    let mut files = Vec::new();
    for part in PARTS {
        collect(&workspace.root, Path::new(part), &mut files)?;
    }
    files.sort();
    let mut digest = Sha256::new();
    for name in files {
        let path = workspace.root.join(&name);
        let bytes = fs::read(&path).doing("reading", &path)?;
        digest.update(name.as_os_str().as_encoded_bytes());
        digest.update([0]);
        digest.update(bytes.len().to_le_bytes());
        digest.update(bytes);
    }
    Ok(hex(digest.finalize().as_slice()))
}

/// The files in `part` of `root`, by their names there.
fn collect(root: &Path, part: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if LEFT_OUT.iter().any(|left| part.ends_with(left)) {
        return Ok(());
    }
    let path = root.join(part);
    if !path.is_dir() {
        if path.exists() {
            files.push(part.to_path_buf());
        }
        return Ok(());
    }
    for entry in fs::read_dir(&path).doing("reading", &path)? {
        let entry = entry.doing("reading", &path)?;
        collect(root, &part.join(entry.file_name()), files)?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_kit_that_is_taken_for_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["labs/work", "kernel", "labs/a"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let workspace = Workspace {
            root: root.to_path_buf(),
            target: root.join("target"),
        };
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        write("kernel/a", "xy");
        write("kernel/b", "");
        let first = of_kit(&workspace).unwrap();
        write("labs/work/mine.rs", "changes nothing");
        assert_eq!(of_kit(&workspace).unwrap(), first);
        write("kernel/a", "x");
        write("kernel/b", "y");
        let second = of_kit(&workspace).unwrap();
        write("labs/a/scene", "");
        let third = of_kit(&workspace).unwrap();
        assert!(first != second && second != third && first != third);
    }
}
