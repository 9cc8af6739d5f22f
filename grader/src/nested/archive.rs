//! The archive that Linux unpacks as its first file system: cpio's "newc" format
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::status::{Doing, Failure};

/// An archive under way. A file's folders come before it by themselves.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
}

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_000;

impl Archive {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder, and those above it.
    pub fn folder(&mut self, name: &str) {
        if self.folders.contains(name) {
            return;
        }
        if let Some((above, _)) = name.rsplit_once('/') {
            self.folder(above);
        }
        self.folders.insert(name.to_owned());
        self.entry(name, FOLDER, &[]);
    }

    /// Adds a file with the contents and permissions of `source`.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] where it cannot be read.
    pub fn read(&mut self, name: &str, source: &Path) -> Result<(), Failure> {
        let mode = fs::metadata(source).doing("reading", source)?;
        let bytes = fs::read(source).doing("reading", source)?;
        self.file(name, mode.permissions().mode() & 0o777, &bytes);
        Ok(())
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, permissions: u32, contents: &[u8]) {
        if let Some((above, _)) = name.rsplit_once('/') {
            self.folder(above);
        }
        self.entry(name, FILE | permissions, contents);
    }

    /// The archive.
    pub fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        let size = u32::try_from(contents.len()).expect("cpio's files are below 4 GiB");
        let length = name.len() as u32 + 1;
        // inode, mode, user, group, links, time, size, four of devices, the name's length, no checksum.
        let fields = [0, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_off_its_place() {
        let mut archive = Archive::new();
        archive.file("a/b", 0o755, b"xyz12");
        let bytes = archive.end();
        let text = String::from_utf8_lossy(&bytes);
        let starts: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        // The folder; the file, whose contents begin at a multiple of 4 as it does itself; the end.
        assert_eq!(starts, [0, 112, 236]);
        assert_eq!(&bytes[228..233], b"xyz12");
        assert_eq!(&bytes[126..134], b"000081ed");
        assert_eq!(bytes.len() % 4, 0);
    }
}
