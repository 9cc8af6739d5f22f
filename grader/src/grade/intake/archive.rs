//! Archives, told apart by what they begin with; tar archives, packed or not.

use std::io::{BufRead, Cursor, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use tar::EntryType;

use super::{Entry, Refusal, Taking, zipped};

/// What an archive begins with, and what it is called.
const KINDS: [(&[u8], Kind); 9] = [
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"\x1f\x8b", Kind::Gzip),
    (b"7z\xbc\xaf\x27\x1c", Kind::Foreign("7z")),
    (b"Rar!\x1a\x07", Kind::Foreign("rar")),
    (b"\xfd7zXZ\x00", Kind::Foreign("xz")),
    (b"BZh", Kind::Foreign("bzip2")),
    (b"\x28\xb5\x2f\xfd", Kind::Foreign("zstd")),
    (b"MSCF", Kind::Foreign("cab")),
];
/// How archives' names end, and what they then are.
const ENDINGS: [(&str, &str); 4] = [
    (".zip", "zip"),
    (".tar", "tar"),
    (".tar.gz", "tar.gz"),
    (".tgz", "tar.gz"),
];
/// Where a tar archive says that it is one.
const USTAR: std::ops::Range<usize> = 257..262;

#[derive(Clone, Copy)]
enum Kind {
    Zip,
    Gzip,
    Foreign(&'static str),
}

/// Takes what is in the archive; says no if `bytes` are none.
pub(super) fn unpack(path: &Path, bytes: &[u8], taking: &mut Taking<'_>) -> Result<bool, Refusal> {
    let kind = KINDS.iter().find(|(start, _)| bytes.starts_with(start));
    match kind.map(|(_, kind)| *kind) {
        Some(Kind::Zip) => zipped::unzip(bytes, taking)?,
        Some(Kind::Gzip) => untar(&gunzip(bytes, taking)?, "tar.gz", taking)?,
        Some(Kind::Foreign(kind)) => return Err(Refusal::Kind(kind)),
        None if bytes.get(USTAR) == Some(b"ustar") => untar(bytes, "tar", taking)?,
        None => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.to_lowercase();
            let ending = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
            return match ending {
                Some((_, kind)) => Err(Refusal::damaged(kind, "it does not begin as one")),
                None => Ok(false),
            };
        }
    }
    Ok(true)
}

fn gunzip(bytes: &[u8], taking: &mut Taking<'_>) -> Result<Vec<u8>, Refusal> {
    let limits = taking.limits;
    let mut decoder = GzDecoder::new(Cursor::new(bytes));
    let mut unpacked = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = decoder.read(&mut piece);
        let count = read.map_err(|error| Refusal::damaged("tar.gz", error))?;
        if count == 0 {
            break;
        }
        unpacked.extend_from_slice(&piece[..count]);
        let (length, packed) = (unpacked.len() as u64, bytes.len() as u64);
        if length > limits.unpacked {
            return Err(Refusal::Unpacked(limits.unpacked));
        }
        if length > limits.file && length / limits.ratio > packed {
            return Err(Refusal::Ratio(limits.ratio));
        }
    }
    let mut rest = decoder.into_inner();
    let rest = rest.fill_buf().unwrap_or_default();
    if rest.iter().any(|byte| *byte != 0) {
        let name = format!("{} bytes after the archive's end", rest.len());
        taking.ignore(name, "they do not belong to it");
    }
    Ok(unpacked)
}

fn untar(bytes: &[u8], kind: &'static str, taking: &mut Taking<'_>) -> Result<(), Refusal> {
    let damaged = |error: std::io::Error| Refusal::damaged(kind, error);
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path_bytes().into_owned();
        let Some(what) = what(entry.header().entry_type()) else {
            continue;
        };
        taking.entry(&name, what, |taking| {
            let limit = taking.limits.file;
            let shown = || super::Name::of(&name).shown;
            let read = taking.limited(&mut entry, limit, |most| Refusal::File(shown(), most));
            read.map_err(damaged)?
        })?;
    }
    Ok(())
}

fn what(kind: EntryType) -> Option<Entry> {
    match kind {
        EntryType::Regular | EntryType::Continuous => Some(Entry::File),
        EntryType::Directory => Some(Entry::Folder),
        EntryType::Link => Some(Entry::Other("a hard link")),
        EntryType::Symlink => Some(Entry::Other("a symbolic link")),
        EntryType::Char | EntryType::Block => Some(Entry::Other("a device")),
        EntryType::Fifo => Some(Entry::Other("a pipe")),
        EntryType::GNUSparse => Some(Entry::Other("a sparse file")),
        EntryType::XGlobalHeader => None,
        _ => Some(Entry::Other("of an unknown kind")),
    }
}
