//! Where a run's evidence goes, and the key that vouches for it.
//!
//! The kernel writes its evidence to QEMU's debug console, which is a file here. Who can write that
//! file cannot forge it without the key, which is made for the run and kept beside it, for its
//! owner only.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use evidence::Key;

use crate::options::MachineOptions;
use crate::status::{Doing, Failure};

/// The file in which the key of the evidence in `file` is kept: one line, 32 hexadecimal digits.
#[must_use]
pub fn key_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

/// The options with a key, kept beside the file, if the run is to leave evidence.
///
/// # Errors
/// [`crate::status::Status::Host`] when either file cannot be written.
pub fn with_key(options: &MachineOptions) -> Result<MachineOptions, Failure> {
    let mut options = options.clone();
    if let Some(file) = &options.evidence {
        let key = options.evidence_key.map_or_else(new_key, Ok)?;
        keep_key(&key_file(file), &key)?;
        // QEMU would only say that it could not; and what an earlier run left is of another key.
        File::create(file).doing("creating", file)?;
        options.evidence_key = Some(key);
    }
    Ok(options)
}

/// A key that nobody can guess.
///
/// # Errors
/// [`crate::status::Status::Host`] when the system gives no random bytes.
pub fn new_key() -> Result<Key, Failure> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .doing("reading", source)?;
    Ok(Key::from_bytes(bytes))
}

fn keep_key(path: &Path, key: &Key) -> Result<(), Failure> {
    // A file that is there already would keep its mode.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .and_then(|()| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{}", hex(key))
    })
    .doing("writing", path)
}

/// The key's digits.
#[must_use]
pub fn hex(key: &Key) -> String {
    key.hex().map(char::from).into_iter().collect()
}

/// A key of the command line.
///
/// # Errors
/// What was expected.
pub fn parse_key(digits: &str) -> Result<Key, String> {
    Key::from_hex(digits).ok_or_else(|| "32 hexadecimal digits were expected".to_owned())
}

/// QEMU's arguments for the channel: the debug console at the port that Bochs has it at.
#[must_use]
pub fn arguments(file: &Path) -> Vec<OsString> {
    let mut chardev = OsString::from("file,id=evidence,path=");
    // In QEMU's options a comma is written twice.
    let name = file.as_os_str().as_encoded_bytes();
    for piece in name.split_inclusive(|&byte| byte == b',') {
        use std::os::unix::ffi::OsStrExt;
        chardev.push(std::ffi::OsStr::from_bytes(piece));
        if piece.ends_with(b",") {
            chardev.push(",");
        }
    }
    vec![
        "-chardev".into(),
        chardev,
        "-device".into(),
        "isa-debugcon,iobase=0xe9,chardev=evidence".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_comma_in_the_file_s_name_read_as_another_option() {
        let made = arguments(Path::new("a,b,,c"));
        assert_eq!(made[1], "file,id=evidence,path=a,,b,,,,c");
    }

    #[test]
    fn a_key_that_others_can_read_or_that_repeats() {
        let dir = tempfile::tempdir().unwrap();
        let options = MachineOptions {
            evidence: Some(dir.path().join("run")),
            ..MachineOptions::default()
        };
        let kept = dir.path().join("run.key");
        std::fs::write(&kept, "old").unwrap();
        let first = with_key(&options).unwrap().evidence_key.unwrap();
        assert_eq!(
            std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            std::fs::read_to_string(&kept).unwrap(),
            format!("{}\n", hex(&first))
        );
        let second = with_key(&options).unwrap().evidence_key.unwrap();
        assert!(first != second);
    }
}
