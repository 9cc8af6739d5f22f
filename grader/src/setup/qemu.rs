//! QEMU: found in `PATH`, or installed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::apt::{self, Privilege, Wanted};
use super::{Policy, executable, in_path};
use crate::say;
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// The program.
const PROGRAM: &str = "qemu-system-x86_64";
/// Debian's package of it.
const PACKAGE: &str = "qemu-system-x86";

/// A version as `major.minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The first version whose TCG has x2APIC in Debian's hands (it came with 8.2; 7.2 lacks it).
const X2APIC_SINCE: Version = Version(8, 2);

/// What is known about a QEMU program.
#[derive(Clone, Debug)]
pub struct QemuInfo {
    /// Where it is.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
}

impl QemuInfo {
    /// Whether its TCG provides x2APIC, going by the version.
    #[must_use]
    pub fn x2apic(&self) -> bool {
        self.version >= X2APIC_SINCE
    }
}

/// See [`super::qemu`].
pub fn ensure(
    workspace: &Workspace,
    chosen: Option<&Path>,
    policy: Policy,
) -> Result<PathBuf, Failure> {
    if let Some(path) = chosen {
        return choose(path);
    }
    if let Some(path) = in_path(PROGRAM) {
        return Ok(path);
    }
    if policy == Policy::Look {
        return Err(missing());
    }
    install(workspace)?;
    in_path(PROGRAM).ok_or_else(|| {
        Failure::new(
            Status::Missing,
            format!("{PACKAGE} is installed, but {PROGRAM} is not in PATH"),
        )
    })
}

fn choose(path: &Path) -> Result<PathBuf, Failure> {
    // A bare name is looked up as a shell does.
    let found = match path.components().count() {
        1 => path.to_str().and_then(in_path),
        _ => None,
    };
    match found.or_else(|| executable(path).then(|| path.to_path_buf())) {
        Some(path) => path.canonicalize().doing("looking for", &path),
        None => Err(Failure::new(
            Status::Usage,
            format!("--qemu {}: not a program", path.display()),
        )),
    }
}

fn wanted(codename: &str) -> Wanted<'_> {
    // Debian 12's own QEMU is 7.2, which has no x2APIC; every later release has a newer one.
    Wanted {
        packages: &[PACKAGE],
        backports: codename == "bookworm",
        codename,
    }
}

fn install(workspace: &Workspace) -> Result<(), Failure> {
    let Some(codename) = apt::debian_codename() else {
        return Err(missing());
    };
    let Some(privilege) = Privilege::find() else {
        return Err(missing());
    };
    let wanted = wanted(&codename);
    let suite = if wanted.backports { "-backports" } else { "" };
    say::line(format_args!(
        "installing QEMU from {codename}{suite}: it is the machine the kernel runs on"
    ));
    match apt::install(workspace, privilege, &wanted, "setup-qemu.log") {
        Err(failure) if wanted.backports => {
            say::line(format_args!("backports failed: {failure}"));
            say::line("installing Debian's own QEMU instead: it has no x2APIC");
            apt::install(
                workspace,
                privilege,
                &Wanted {
                    backports: false,
                    ..wanted
                },
                "setup-qemu-old.log",
            )
        }
        other => other,
    }
}

fn missing() -> Failure {
    let failure = Failure::new(
        Status::Missing,
        format!("{PROGRAM} is not installed: it is the machine the kernel runs on"),
    );
    match apt::debian_codename() {
        Some(codename) => apt::commands(&wanted(&codename))
            .into_iter()
            .fold(failure.advise("run:"), Failure::advise),
        None => failure
            .advise(format!(
                "install QEMU 10 or later for x86-64 ({PROGRAM}) with this system's package manager"
            ))
            .advise("or name a program with --qemu PATH"),
    }
}

/// See [`super::qemu_info`].
pub fn info(workspace: &Workspace, program: &Path) -> Result<QemuInfo, Failure> {
    let stamp_path = workspace.own_dir()?.join("qemu.json");
    let now = fingerprint(program).doing("looking at", program)?;
    let known = fs::read(&stamp_path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    if let Some(version) = known.and_then(|stamp| remembered(&stamp, &now)) {
        return Ok(QemuInfo {
            path: program.to_path_buf(),
            version,
        });
    }
    let version = ask(program)?;
    let stamp = json!({ "program": now, "version": [version.0, version.1] });
    // Only a shortcut: a run must not fail because it cannot be remembered.
    let _ = fs::write(&stamp_path, stamp.to_string());
    Ok(QemuInfo {
        path: program.to_path_buf(),
        version,
    })
}

fn fingerprint(program: &Path) -> std::io::Result<Value> {
    let meta = fs::metadata(program)?;
    let time = meta
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(json!([
        program.to_string_lossy(),
        meta.len(),
        time.as_secs(),
        time.subsec_nanos()
    ]))
}

fn remembered(stamp: &Value, now: &Value) -> Option<Version> {
    let number = |index: usize| u32::try_from(stamp["version"][index].as_u64()?).ok();
    (stamp["program"] == *now).then_some(Version(number(0)?, number(1)?))
}

fn ask(program: &Path) -> Result<Version, Failure> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .doing("starting", program)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse_version(&text).ok_or_else(|| {
        let first = text.lines().next().unwrap_or("").escape_debug().to_string();
        Failure::host(format!(
            "{} does not tell its version, but: {first}",
            program.display()
        ))
    })
}

fn parse_version(text: &str) -> Option<Version> {
    let (_, rest) = text.split_once("version ")?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some(Version(numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_10_taken_for_older_than_7() {
        let ten = parse_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds)").unwrap();
        assert_eq!(ten, Version(10, 0));
        assert!(ten > Version(7, 2) && X2APIC_SINCE > Version(7, 2));
        assert_eq!(parse_version("some other program"), None);
    }

    #[test]
    fn an_upgraded_qemu_remembered_as_the_old_one() {
        let stamp = json!({ "program": ["q", 1, 2, 3], "version": [7, 2] });
        assert_eq!(
            remembered(&stamp, &json!(["q", 1, 2, 3])),
            Some(Version(7, 2))
        );
        assert_eq!(remembered(&stamp, &json!(["q", 1, 2, 4])), None);
        assert_eq!(remembered(&json!("damaged"), &json!(["q", 1, 2, 4])), None);
    }

    #[test]
    fn debian_12_given_the_qemu_without_x2apic() {
        assert!(wanted("bookworm").backports);
        assert!(!wanted("trixie").backports);
    }
}
