//! Submissions as students, their tools and their enemies make them.

mod archives;
mod folders;
mod fuzz;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Intake, LIMITS, Limits, Refusal, Wanted, read};

const RING: &str = "02-ring.rs";
const TEXT: &[u8] = b"//! Lab 2.\n";

fn wanted() -> Vec<Wanted> {
    [(2, RING), (8, "08-break-it.tlb")]
        .map(|(lab, file)| Wanted {
            lab,
            file: file.to_owned(),
        })
        .to_vec()
}

fn taken(path: &Path, limits: Limits) -> Intake {
    read(path, &wanted(), limits).unwrap()
}

/// The submission that is this archive.
fn archived(name: &str, bytes: &[u8]) -> Intake {
    limited(name, bytes, LIMITS)
}

fn limited(name: &str, bytes: &[u8], limits: Limits) -> Intake {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    taken(&path, limits)
}

impl Intake {
    #[track_caller]
    fn ring(&self) -> &[u8] {
        &self.solutions[0].1.as_ref().unwrap().bytes
    }

    #[track_caller]
    fn refusal(&self) -> &Refusal {
        self.solutions[0].1.as_ref().unwrap_err()
    }

    #[track_caller]
    fn ignores(&self, name: &str, why: &str) {
        let found = self.ignored.iter().find(|ignored| ignored.name == name);
        let found = found.unwrap_or_else(|| panic!("{name} in {:?}", self.ignored));
        assert!(found.why.contains(why), "{found:?}");
    }
}

/// A zip archive of these files, as an honest program writes it.
fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default();
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// An entry of a tar archive whose name nothing checks.
struct Member<'a> {
    name: &'a [u8],
    kind: tar::EntryType,
    /// What the header says.
    size: u64,
    bytes: &'a [u8],
}

impl<'a> Member<'a> {
    fn file(name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            name: name.as_bytes(),
            kind: tar::EntryType::Regular,
            size: bytes.len() as u64,
            bytes,
        }
    }
}

fn tarred(members: &[Member<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..member.name.len()].copy_from_slice(member.name);
        header.set_entry_type(member.kind);
        header.set_size(member.size);
        header.set_mode(0o644);
        if matches!(member.kind, tar::EntryType::Link | tar::EntryType::Symlink) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(member.bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
