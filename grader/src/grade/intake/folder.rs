//! A submission that is a folder, or a file: opened so that nothing is followed, waited for or set off.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use super::{Entry, Refusal, Taking};
use crate::status::{Doing, Failure};

/// What a submission is.
pub(super) enum Opened {
    File(File),
    Folder(OwnedFd),
    Other(Refusal),
}

const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);

/// Opens it, if it is a file or a folder.
pub(super) fn open(path: &Path) -> Result<Opened, Failure> {
    let name = || path.file_name().unwrap_or_default().to_string_lossy();
    let shown = || super::Name::of(name().as_bytes()).shown;
    let kind = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).doing("reading", path)?;
    match entry(FileType::from_raw_mode(kind.st_mode)) {
        Entry::Other(what) => Ok(Opened::Other(Refusal::NotAFile(shown(), what))),
        Entry::Folder => {
            let opened = openat(CWD, path, FLAGS | OFlags::DIRECTORY, Mode::empty());
            Ok(Opened::Folder(opened.doing("opening", path)?))
        }
        Entry::File => {
            let opened = openat(CWD, path, FLAGS, Mode::empty()).doing("opening", path)?;
            Ok(match regular(&opened).doing("opening", path)? {
                true => Opened::File(File::from(opened)),
                false => Opened::Other(Refusal::NotAFile(shown(), "something else by now")),
            })
        }
    }
}

fn entry(kind: FileType) -> Entry {
    match kind {
        FileType::RegularFile => Entry::File,
        FileType::Directory => Entry::Folder,
        FileType::Symlink => Entry::Other("a symbolic link"),
        FileType::Fifo => Entry::Other("a pipe"),
        FileType::Socket => Entry::Other("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Entry::Other("a device"),
        FileType::Unknown => Entry::Other("of an unknown kind"),
    }
}

fn regular(file: &OwnedFd) -> Result<bool, Errno> {
    Ok(FileType::from_raw_mode(fstat(file)?.st_mode).is_file())
}

/// Takes what is in the folder `path`, and in its folders.
pub(super) fn walk(
    folder: &OwnedFd,
    path: &Path,
    taking: &mut Taking<'_>,
) -> Result<Option<Refusal>, Failure> {
    match level(folder, b"", 0, taking) {
        Ok(()) => Ok(None),
        Err(Stop::Refused(refusal)) => Ok(Some(refusal)),
        Err(Stop::Host(error)) => Err(error).doing("reading", path),
    }
}

enum Stop {
    Refused(Refusal),
    Host(Errno),
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Self {
        Stop::Host(error)
    }
}

fn level(
    folder: &OwnedFd,
    prefix: &[u8],
    depth: usize,
    taking: &mut Taking<'_>,
) -> Result<(), Stop> {
    if depth > taking.limits.depth {
        return Err(Stop::Refused(Refusal::Depth(taking.limits.depth)));
    }
    for name in names(folder, taking)? {
        let path = [prefix, &name].concat();
        let at = std::ffi::OsStr::from_bytes(&name);
        let kind = statat(folder, at, AtFlags::SYMLINK_NOFOLLOW)?;
        let entry = entry(FileType::from_raw_mode(kind.st_mode));
        let mut host = None;
        let taken = taking.entry(&path, entry, |taking| {
            content(folder, at, taking).unwrap_or_else(|error| {
                host = Some(error);
                Ok(Vec::new())
            })
        });
        taken.map_err(Stop::Refused)?;
        if let Some(error) = host {
            return Err(Stop::Host(error));
        }
        if entry == Entry::Folder && super::Name::of(&path).skipped.is_none() {
            let inner = openat(folder, at, FLAGS | OFlags::DIRECTORY, Mode::empty())?;
            level(&inner, &[&path[..], b"/"].concat(), depth + 1, taking)?;
        }
    }
    Ok(())
}

/// The names in a folder, sorted, so that a report does not depend on the file system.
fn names(folder: &OwnedFd, taking: &Taking<'_>) -> Result<Vec<Vec<u8>>, Stop> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
        if names.len() > taking.limits.entries {
            return Err(Stop::Refused(Refusal::Entries(taking.limits.entries)));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn content(
    folder: &OwnedFd,
    at: &std::ffi::OsStr,
    taking: &Taking<'_>,
) -> Result<Result<Vec<u8>, Refusal>, Errno> {
    let shown = || super::Name::of(at.as_bytes()).shown;
    let opened = openat(folder, at, FLAGS, Mode::empty())?;
    if !regular(&opened)? {
        return Ok(Err(Refusal::NotAFile(shown(), "something else by now")));
    }
    let limit = taking.limits.file;
    let read = taking.limited(&mut File::from(opened), limit, |most| {
        Refusal::File(shown(), most)
    });
    read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
