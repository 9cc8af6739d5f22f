//! How cargo calls the compiler, written down: the flags of profiles, targets and build scripts are cargo's to know.
//!
//! Cargo is told to start `kit` instead of the compiler (`RUSTC_WRAPPER`). It does what it is asked, and for the
//! crates of a rig notes the arguments. A note lies under a name that has the stub's hash in it, so notes of other
//! flags or compilers are never taken for it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::PACKAGES;
use crate::kernel::persist;
use crate::status::{Doing, Failure, Status};

/// The environment's variable that makes `kit` such a compiler; the folder for the notes.
pub const RECORD: &str = "KIT_RECORD";

/// One call of the compiler.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// The folder of the compiler and its libraries.
    pub sysroot: PathBuf,
    /// Whether a stable compiler was allowed to build its own library.
    pub bootstrap: bool,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Does as the compiler that cargo takes it for. `words` are the compiler and its arguments.
///
/// # Errors
/// [`Status::Host`] if the compiler cannot be started or the note not written.
pub fn compile(
    folder: &OsStr,
    mut words: impl Iterator<Item = OsString>,
) -> Result<ExitCode, Failure> {
    let Some(compiler) = words.next() else {
        let message = format!("{RECORD} is set: it is for kit itself");
        return Err(Failure::new(Status::Usage, message));
    };
    let arguments: Vec<OsString> = words.collect();
    let started = |error| Failure::host(format!("starting the compiler: {error}"));
    let status = Command::new(&compiler)
        .args(&arguments)
        .env_remove(RECORD)
        .status()
        .map_err(started)?;
    if !status.success() {
        return Ok(ExitCode::from(
            u8::try_from(status.code().unwrap_or(101)).unwrap_or(101),
        ));
    }
    let arguments: Option<Vec<String>> = arguments
        .into_iter()
        .map(|argument| argument.into_string().ok())
        .collect();
    let named = arguments
        .as_deref()
        .and_then(|arguments| Some((name(arguments)?, arguments)));
    if let Some((name, arguments)) = named {
        let output = Command::new(&compiler)
            .args(["--print", "sysroot"])
            .stderr(Stdio::inherit())
            .output()
            .map_err(started)?;
        let sysroot = String::from_utf8_lossy(&output.stdout);
        let recorded = Recorded {
            sysroot: PathBuf::from(sysroot.trim_end()),
            bootstrap: env::var_os("RUSTC_BOOTSTRAP").is_some(),
            arguments: arguments.to_vec(),
        };
        recorded.write(&Path::new(folder).join(name))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The note's name, if this call is one to be noted: the crate's, and the hash of the stub that is or was built.
fn name(arguments: &[String]) -> Option<String> {
    let after = |option: &str| {
        let mut pairs = arguments.windows(2);
        pairs.find_map(|pair| (pair[0] == option).then(|| pair[1].as_str()))
    };
    let package = after("--crate-name")?;
    if !PACKAGES.contains(&package) {
        return None;
    }
    let stub = arguments.iter().find_map(|argument| {
        let own = argument.strip_prefix("extra-filename=");
        let depended = argument
            .strip_prefix("student=")
            .and_then(|path| hash(Path::new(path)));
        if package == "student" { own } else { depended }
    })?;
    Some(format!("{package}{stub}.json"))
}

/// The hash in the name of a stub's file, with the dash before it.
pub fn hash(stub: &Path) -> Option<&str> {
    stub.file_stem()?.to_str()?.strip_prefix("libstudent")
}

impl Recorded {
    /// What was noted of a crate with the stub of this hash; `None` if nothing was.
    pub fn read(folder: &Path, package: &str, stub: &str) -> Option<Recorded> {
        let text = fs::read_to_string(folder.join(format!("{package}{stub}.json"))).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn write(&self, place: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string(self)
            .map_err(|error| Failure::host(format!("{}: {error}", place.display())))?;
        let folder = place.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).doing("creating", folder)?;
        let mut file = NamedTempFile::new_in(folder).doing("writing", place)?;
        file.write_all(text.as_bytes()).doing("writing", place)?;
        persist(file, place)
    }

    /// The folders with the libraries that it is linked with.
    pub fn libraries(&self) -> impl Iterator<Item = &Path> {
        let folders = self.arguments.iter();
        folders.filter_map(|argument| argument.strip_prefix("dependency=").map(Path::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_note_that_is_taken_for_another_stub_s() {
        let student = words("--crate-name student --edition=2024 -C extra-filename=-12ab");
        assert_eq!(name(&student).unwrap(), "student-12ab.json");
        let explore = words(
            "--crate-name explore -C extra-filename=-ffff --extern student=/a/libstudent-12ab.rlib",
        );
        assert_eq!(name(&explore).unwrap(), "explore-12ab.json");
        assert_eq!(name(&words("--crate-name lab -C extra-filename=-1")), None);
        assert_eq!(name(&words("-vV")), None);
    }
}
