//! The archive handed to the kernel: its own function names, and the script to run.

use std::io::{self, Write};
use std::path::Path;

use tar::{Builder, Header};
use tempfile::NamedTempFile;

use crate::status::{Doing, Failure};

/// Writes a ustar archive with the file `symbols`, and `script` if there is one, into a temporary file in
/// `folder`. Equal contents give equal bytes. The file is deleted when the value is dropped.
///
/// # Errors
/// [`crate::status::Status::Host`] when the file cannot be written, for example on a full disk.
pub fn write(
    folder: &Path,
    symbols: &[u8],
    script: Option<&[u8]>,
) -> Result<NamedTempFile, Failure> {
    let file = tempfile::Builder::new()
        .prefix("initrd-")
        .tempfile_in(folder);
    let mut file = file.doing("making the initrd in", folder)?;
    archive(file.as_file_mut(), symbols, script).doing("writing the initrd", file.path())?;
    Ok(file)
}

fn archive(out: impl Write, symbols: &[u8], script: Option<&[u8]>) -> io::Result<()> {
    // One write for many 512-byte blocks.
    let mut builder = Builder::new(io::BufWriter::with_capacity(1 << 16, out));
    append(&mut builder, "symbols", symbols)?;
    if let Some(script) = script {
        append(&mut builder, "script", script)?;
    }
    builder.into_inner()?.flush()
}

fn append(builder: &mut Builder<impl Write>, name: &str, contents: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_size(contents.len() as u64);
    header.set_mode(0o444);
    builder.append_data(&mut header, name, contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_script_that_arrives_changed() {
        let mut bytes = Vec::new();
        archive(&mut bytes, b"1 f\n", Some(b"cpus\n")).unwrap();
        let mut found = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((entry.path().unwrap().display().to_string(), text));
        }
        assert_eq!(
            found,
            [
                ("symbols".into(), "1 f\n".into()),
                ("script".into(), "cpus\n".into())
            ]
        );
    }

    #[test]
    fn two_archives_of_one_script_differing() {
        let make = || {
            let mut bytes = Vec::new();
            archive(&mut bytes, b"s", Some(b"t")).unwrap();
            bytes
        };
        assert_eq!(make(), make());
    }

    #[test]
    fn a_full_disk_passing_for_a_written_initrd() {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        assert!(archive(full, b"s", None).is_err());
    }
}
