//! What a student handed in: a file, a folder, or an archive, of which only the labs' own files are taken.
//!
//! A solution is a file called as `kit labs start` calls it, such as `02-ring.rs`, at any depth, once. Its bytes are
//! read into memory within [`Limits`]; no name out of a submission is ever used to write a file, nothing but a
//! regular file is ever opened, and no archive inside an archive is.
//!
//! Whatever else a submission holds is [`Ignored`]; whatever is wrong with it is a [`Refusal`], for one lab or for all.

mod archive;
mod folder;
mod name;
mod refusal;
mod zipped;

use std::fs::{self, DirBuilder};
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::digest;
use crate::labs::Manifest;
use crate::status::{Doing, Failure};
use name::Name;
pub(in crate::grade) use name::shown;
pub use refusal::Refusal;

/// How much of a submission is read. All counted while reading: what headers say is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files and folders, those that are ignored among them.
    pub entries: usize,
    /// Folders within folders.
    pub depth: usize,
    /// Bytes of a solution.
    pub file: u64,
    /// Bytes of an archive.
    pub archive: u64,
    /// Bytes that a compressed tar archive unpacks to.
    pub unpacked: u64,
    /// How many times its size it may unpack to, once that is more than [`Limits::file`].
    pub ratio: u64,
}

/// The limits of grading. A solution is a few kilobytes; these are for who hands in the kit's whole tree.
pub const LIMITS: Limits = Limits {
    entries: 20_000,
    depth: 32,
    file: 1 << 20,
    archive: 16 << 20,
    unpacked: 64 << 20,
    ratio: 200,
};

/// A file to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The lab's number.
    pub lab: u8,
    /// What its solution is called.
    pub file: String,
}

impl Wanted {
    /// The files of `labs`, of all labs if that is empty.
    ///
    /// # Errors
    /// [`crate::status::Status::Usage`] if there is no such lab.
    pub fn of(manifest: &Manifest, labs: &[u8]) -> Result<Vec<Self>, Failure> {
        for lab in labs {
            manifest.lab(*lab)?;
        }
        let asked = |number: &u8| labs.is_empty() || labs.contains(number);
        let labs = manifest.labs.iter().filter(|lab| asked(&lab.number));
        Ok(labs
            .map(|lab| Self {
                lab: lab.number,
                file: lab.file(),
            })
            .collect())
    }
}

/// What was taken from a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// For each file that was looked for, in that order, its bytes or why there are none.
    pub solutions: Vec<(Wanted, Result<Solution, Refusal>)>,
    /// What is wrong with the whole, if something is: then it is what is wrong with each.
    pub whole: Option<Refusal>,
    /// What was not taken, in the order of its occurrence.
    pub ignored: Vec<Ignored>,
    /// How much more was not taken than is listed.
    pub unlisted: usize,
}

/// A solution as it was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where in the submission it was.
    pub from: String,
}

impl Solution {
    /// SHA-256 of the bytes, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        digest::of(&self.bytes)
    }

    /// Writes it as `folder/file`, where only this user can read it. What was there is replaced.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`].
    pub fn store(&self, folder: &Path, file: &str) -> Result<PathBuf, Failure> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).doing("creating", folder)?;
        let path = folder.join(file);
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).doing("replacing", &path)?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut opened = options.open(&path).doing("writing", &path)?;
        opened.write_all(&self.bytes).doing("writing", &path)?;
        Ok(path)
    }
}

/// Something in a submission that is not graded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its name, made printable.
    pub name: String,
    /// Why.
    pub why: String,
}

/// How many ignored names are listed.
const LISTED: usize = 50;

/// Reads the submission at `path`.
///
/// # Errors
/// [`crate::status::Status::Host`] if the host cannot read it; whatever is wrong with the submission itself is in the
/// [`Intake`].
pub fn read(path: &Path, wanted: &[Wanted], limits: Limits) -> Result<Intake, Failure> {
    let mut taking = Taking::new(wanted, limits);
    let refused = match folder::open(path)? {
        folder::Opened::Folder(opened) => folder::walk(&opened, path, &mut taking)?,
        folder::Opened::File(mut file) => {
            let read = taking
                .limited(&mut file, limits.archive, Refusal::Archive)
                .map_err(|error| Failure::host(format!("reading {}: {error}", path.display())))?;
            match read {
                Ok(bytes) => one_file(path, bytes, &mut taking).err(),
                Err(refusal) => Some(refusal),
            }
        }
        folder::Opened::Other(refusal) => Some(refusal),
    };
    Ok(taking.end(refused))
}

/// A file is an archive by what it begins with, else a solution.
fn one_file(path: &Path, bytes: Vec<u8>, taking: &mut Taking<'_>) -> Result<(), Refusal> {
    if archive::unpack(path, &bytes, taking)? {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    taking.only(&name, bytes);
    Ok(())
}

/// What an entry of a folder or archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File,
    Folder,
    /// Something that is never opened, and what.
    Other(&'static str),
}

/// A submission that is being read.
struct Taking<'a> {
    wanted: &'a [Wanted],
    limits: Limits,
    found: Vec<Vec<Found>>,
    ignored: Vec<Ignored>,
    unlisted: usize,
    entries: usize,
}

struct Found {
    from: String,
    content: Result<Vec<u8>, Refusal>,
}

impl<'a> Taking<'a> {
    fn new(wanted: &'a [Wanted], limits: Limits) -> Self {
        Self {
            wanted,
            limits,
            found: wanted.iter().map(|_| Vec::new()).collect(),
            ignored: Vec::new(),
            unlisted: 0,
            entries: 0,
        }
    }

    /// Takes an entry, or notes that it is ignored. `content` is called only for a file that is wanted.
    fn entry(
        &mut self,
        raw: &[u8],
        entry: Entry,
        content: impl FnOnce(&Self) -> Result<Vec<u8>, Refusal>,
    ) -> Result<(), Refusal> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Refusal::Entries(self.limits.entries));
        }
        let name = Name::of(raw);
        if let Some(folder) = name.skipped {
            // A folder is noted once, when it has an entry of its own or when its first file comes.
            self.ignore(folder, "such a folder is never looked into");
            return Ok(());
        }
        let wanted = self
            .wanted
            .iter()
            .position(|wanted| name.like(&wanted.file));
        let Some(index) = wanted else {
            match (entry, name.fault) {
                (Entry::Folder, None) => {}
                (_, Some(fault)) => self.ignore(name.shown, fault),
                (Entry::File, None) => self.ignore(name.shown, "no lab's solution is called so"),
                (Entry::Other(what), None) => self.ignore(name.shown, what),
            }
            return Ok(());
        };
        let file = &self.wanted[index].file;
        let content = match (name.fault, entry) {
            (Some(fault), _) => Err(Refusal::Name(name.shown.clone(), fault)),
            (None, _) if name.last != *file => {
                Err(Refusal::Spelled(name.shown.clone(), file.clone()))
            }
            (None, Entry::File) => content(self),
            (None, Entry::Folder) => Err(Refusal::NotAFile(name.shown.clone(), "a folder")),
            (None, Entry::Other(what)) => Err(Refusal::NotAFile(name.shown.clone(), what)),
        };
        self.found[index].push(Found {
            from: name.shown,
            content,
        });
        Ok(())
    }

    /// Takes the only file of a submission: by its name, perhaps with a platform's prefix such as `alice_`, or
    /// whatever its name is when one lab is asked for.
    fn only(&mut self, name: &str, bytes: Vec<u8>) {
        let shown = Name::of(name.as_bytes()).shown;
        let called =
            |wanted: &Wanted| name == wanted.file || name.ends_with(&format!("_{}", wanted.file));
        let extension = |name: &str| name.rsplit_once('.').map(|(_, end)| end.to_owned());
        let alone =
            |wanted: &Wanted| self.wanted.len() == 1 && extension(name) == extension(&wanted.file);
        let index = self.wanted.iter().position(called);
        let Some(index) = index.or_else(|| self.wanted.iter().position(alone)) else {
            self.ignore(shown, "no lab's solution is called so");
            return;
        };
        let content = match bytes.len() as u64 > self.limits.file {
            true => Err(Refusal::File(shown.clone(), self.limits.file)),
            false => Ok(bytes),
        };
        self.found[index].push(Found {
            from: shown,
            content,
        });
    }

    /// Reads to the end, or as far as `limit`.
    fn limited(
        &self,
        from: &mut dyn Read,
        limit: u64,
        refusal: impl FnOnce(u64) -> Refusal,
    ) -> std::io::Result<Result<Vec<u8>, Refusal>> {
        let mut bytes = Vec::new();
        from.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(match bytes.len() as u64 > limit {
            true => Err(refusal(limit)),
            false => Ok(bytes),
        })
    }

    fn ignore(&mut self, name: String, why: impl Into<String>) {
        if self.ignored.iter().any(|ignored| ignored.name == name) {
            return;
        }
        if self.ignored.len() >= LISTED {
            self.unlisted += 1;
            return;
        }
        let why = why.into();
        self.ignored.push(Ignored { name, why });
    }

    /// `refused` is what is wrong with the whole: then nothing of it is taken.
    fn end(self, refused: Option<Refusal>) -> Intake {
        let solutions = self.wanted.iter().zip(self.found).map(|(wanted, found)| {
            let solution = match &refused {
                Some(refusal) => Err(refusal.clone()),
                None => one(wanted, found),
            };
            (wanted.clone(), solution)
        });
        Intake {
            solutions: solutions.collect(),
            whole: refused.clone(),
            ignored: self.ignored,
            unlisted: self.unlisted,
        }
    }
}

fn one(wanted: &Wanted, mut found: Vec<Found>) -> Result<Solution, Refusal> {
    if found.len() > 1 {
        let names = found.into_iter().map(|found| found.from).collect();
        return Err(Refusal::Several(wanted.file.clone(), names));
    }
    let Some(Found { from, content }) = found.pop() else {
        return Err(Refusal::Missing(wanted.file.clone()));
    };
    content.map(|bytes| Solution { bytes, from })
}

#[cfg(test)]
mod tests;
