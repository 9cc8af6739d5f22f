//! Zip archives.

use std::io::Cursor;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::{Entry, Name, Refusal, Taking};

/// The bits of a Unix mode that say what a file is.
const KIND: u32 = 0o170_000;

/// Takes what is in the archive.
///
/// The reader believes the central directory alone; an archive in which that and the entries' own headers disagree,
/// entries overlap or a name comes twice is refused, since other programs would take something else out of it.
pub(super) fn unzip(bytes: &[u8], taking: &mut Taking<'_>) -> Result<(), Refusal> {
    let damaged = |error: ZipError| Refusal::damaged("zip", error);
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > taking.limits.entries {
        return Err(Refusal::Entries(taking.limits.entries));
    }
    archive.validate_header_consistency().map_err(damaged)?;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(damaged)?;
        // Programs on Windows have written `\` between a path's parts.
        let name: Vec<u8> = entry.name_raw().iter().map(|byte| slash(*byte)).collect();
        let what = what(entry.unix_mode(), name.ends_with(b"/"));
        let (encrypted, method) = (entry.encrypted(), entry.compression());
        taking.entry(&name, what, |taking| {
            let shown = || Name::of(&name).shown;
            if encrypted {
                return Err(Refusal::Encrypted(shown()));
            }
            if !matches!(
                method,
                CompressionMethod::Stored | CompressionMethod::Deflated
            ) {
                return Err(Refusal::damaged(
                    "zip",
                    format!("{method} is not read; deflate is"),
                ));
            }
            let mut file = archive.by_index(index).map_err(damaged)?;
            let limit = taking.limits.file;
            let read = taking.limited(&mut file, limit, |most| Refusal::File(shown(), most));
            read.map_err(|error| damaged(ZipError::Io(error)))?
        })?;
    }
    Ok(())
}

fn slash(byte: u8) -> u8 {
    if byte == b'\\' { b'/' } else { byte }
}

fn what(mode: Option<u32>, folder: bool) -> Entry {
    match mode.unwrap_or(0) & KIND {
        0o120_000 => Entry::Other("a symbolic link"),
        0o010_000 => Entry::Other("a pipe"),
        0o020_000 | 0o060_000 => Entry::Other("a device"),
        0o140_000 => Entry::Other("a socket"),
        0o040_000 => Entry::Folder,
        _ if folder => Entry::Folder,
        _ => Entry::File,
    }
}
