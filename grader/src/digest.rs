//! Digests of contents, and the files that have them.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::status::{Doing, Failure};

/// The digest of these parts: the first 32 hexadecimal digits of SHA-256. Every part counts with its length.
#[must_use]
pub fn of(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Every file below `path`, or itself, in the order of names; build output is none.
///
/// # Errors
/// [`crate::status::Status::Host`] if a folder cannot be read.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut entries = fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .doing("reading", path)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        if entry.file_name() != "target" {
            found.extend(files(&entry.path())?);
        }
    }
    Ok(found)
}

/// What a file holds.
///
/// # Errors
/// [`crate::status::Status::Host`] if it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).doing("reading", path)
}
