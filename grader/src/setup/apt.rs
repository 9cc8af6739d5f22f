//! Debian's package manager, used so that nothing under /etc changes and no mirror is named here.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::in_path;
use super::install::Log;
use crate::status::{Failure, Status};
use crate::workspace::Workspace;

/// Longest time for one call: a slow mirror and a hundred megabytes.
const LIMIT: Duration = Duration::from_secs(900);
/// Key that signs Debian's suites, backports included.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// How root's commands are run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// We are root.
    Root,
    /// Through sudo, which asks for no password.
    Sudo,
}

impl Privilege {
    /// What we may do without asking anybody; `None` when root's work is out of reach.
    #[must_use]
    pub fn find() -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            return Some(Privilege::Root);
        }
        let mut command = Command::new(in_path("sudo")?);
        command
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
            .status()
            .is_ok_and(|status| status.success())
            .then_some(Privilege::Sudo)
    }

    fn apt_get(self) -> Command {
        let words: &[&str] = match self {
            Privilege::Root => &["env"],
            Privilege::Sudo => &["sudo", "-n", "env"],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args([
            "DEBIAN_FRONTEND=noninteractive",
            "LC_ALL=C.UTF-8",
            "apt-get",
        ]);
        // Another package manager may be at work, as on a machine that was just started.
        command.args(["-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2"]);
        command
    }
}

/// A package to install, and where from.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The names of the packages.
    pub packages: &'a [&'a str],
    /// The release's backports suite is to be preferred.
    pub backports: bool,
    /// The release's code name.
    pub codename: &'a str,
}

/// Installs the packages.
///
/// # Errors
/// [`Status::Missing`] with the installer's last words and where its whole output is.
pub fn install(
    workspace: &Workspace,
    privilege: Privilege,
    wanted: &Wanted<'_>,
    log: &str,
) -> Result<(), Failure> {
    let log = Log::new(workspace, log)?;
    if mirror(wanted.codename).is_none() {
        log.run(with(privilege.apt_get(), &["update"]), LIMIT)?;
    }
    let list = if wanted.backports {
        Some(backports_list(wanted.codename)?)
    } else {
        None
    };
    let mut command = privilege.apt_get();
    if let Some(list) = &list {
        let source = source_option(list.path());
        let mut update = privilege.apt_get();
        // Only this list, and no clean-up of the others' indices.
        update.args([
            "-o",
            &source,
            "-o",
            "Dir::Etc::sourceparts=-",
            "-o",
            "APT::Get::List-Cleanup=0",
            "update",
        ]);
        log.run(update, LIMIT)?;
        append_own_list(list.path())?;
        command.args([
            "-o",
            &source,
            "-t",
            &format!("{}-backports", wanted.codename),
        ]);
    }
    command
        .args(["install", "--yes", "--no-install-recommends"])
        .args(wanted.packages);
    log.run(command, LIMIT)
}

/// Fetches `package`, without installing it, into `folder`; of one that only names another, that one. Returns its file.
///
/// # Errors
/// [`Status::Missing`] where apt-get is not there, or with its last words.
pub fn download(workspace: &Workspace, package: &str, folder: &Path) -> Result<PathBuf, Failure> {
    if in_path("apt-get").is_none() || in_path("dpkg-deb").is_none() {
        return Err(Failure::new(
            Status::Missing,
            format!("{package} is one of Debian's packages, and there is no apt-get here"),
        ));
    }
    let log = Log::new(workspace, &format!("download-{package}.log"))?;
    let before = debs(folder)?;
    let mut command = Command::new("apt-get");
    command
        .args(["-o", "Acquire::Retries=2", "download", package])
        .current_dir(folder);
    if let Err(failure) = log.run(command, LIMIT) {
        // No index yet, or one that is older than what the mirror has.
        let Some(privilege) = Privilege::find() else {
            return Err(failure.advise("sudo apt-get update"));
        };
        log.run(with(privilege.apt_get(), &["update"]), LIMIT)?;
        let mut again = Command::new("apt-get");
        again.args(["download", package]).current_dir(folder);
        log.run(again, LIMIT)?;
    }
    let mut new = debs(folder)?;
    new.retain(|file| !before.contains(file));
    new.pop().ok_or_else(|| {
        Failure::new(
            Status::Missing,
            format!("apt-get left no file of {package} in {}", folder.display()),
        )
    })
}

fn debs(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed =
        |error: std::io::Error| Failure::host(format!("listing {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end == "deb") {
            files.push(path);
        }
    }
    Ok(files)
}

/// The package whose name begins with `prefix` that `package` depends on, by apt's index.
///
/// # Errors
/// [`Status::Missing`] where apt knows none.
pub fn depends_on(package: &str, prefix: &str) -> Result<String, Failure> {
    let output = Command::new("apt-cache")
        .args(["depends", "--important", package])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    let text = output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    parse_depends(&text, prefix).ok_or_else(|| {
        let message = format!("apt knows no package {package} that depends on a {prefix}…");
        Failure::new(Status::Missing, message).advise("sudo apt-get update")
    })
}

fn parse_depends(text: &str, prefix: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let name = line.trim().strip_prefix("Depends: ")?;
        name.starts_with(prefix).then(|| name.to_owned())
    })
}

fn with(mut command: Command, words: &[&str]) -> Command {
    command.args(words);
    command
}

fn source_option(list: &Path) -> String {
    format!("Dir::Etc::sourcelist={}", list.display())
}

/// The mirror apt already uses for the release, so that none has to be named. `None` before the first update.
fn mirror(codename: &str) -> Option<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(CODENAME) $(CREATED_BY)",
        ])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse_mirror(&String::from_utf8_lossy(&output.stdout), codename)
}

fn parse_mirror(targets: &str, codename: &str) -> Option<String> {
    targets.lines().find_map(
        |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [uri, name, "Packages"] if name == codename => Some(uri.to_owned()),
            _ => None,
        },
    )
}

/// A temporary source list with the backports suite on apt's own mirror. Readable by apt's own user.
fn backports_list(codename: &str) -> Result<NamedTempFile, Failure> {
    let Some(mirror) = mirror(codename) else {
        let failure = Failure::new(
            Status::Missing,
            format!("apt knows no mirror of Debian {codename}"),
        );
        return Err(failure.advise("/etc/apt/sources.list and /etc/apt/sources.list.d name none"));
    };
    let broken =
        |error: std::io::Error| Failure::host(format!("writing a temporary source list: {error}"));
    let mut list = tempfile::Builder::new()
        .prefix("kit-")
        .suffix(".list")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile()
        .map_err(broken)?;
    writeln!(list, "{}", backports_line(&mirror, codename)).map_err(broken)?;
    Ok(list)
}

fn backports_line(mirror: &str, codename: &str) -> String {
    format!("deb [signed-by={KEYRING}] {mirror} {codename}-backports main")
}

/// The option that names our list hides /etc/apt/sources.list, whose packages the install may need.
fn append_own_list(list: &Path) -> Result<(), Failure> {
    let Ok(own) = fs::read("/etc/apt/sources.list") else {
        return Ok(());
    };
    let appended = fs::OpenOptions::new()
        .append(true)
        .open(list)
        .and_then(|mut file| file.write_all(&own));
    appended.map_err(|error| Failure::host(format!("writing a temporary source list: {error}")))
}

/// The commands a person runs by hand for the same effect.
#[must_use]
pub fn commands(wanted: &Wanted<'_>) -> Vec<String> {
    let packages = wanted.packages.join(" ");
    if !wanted.backports {
        return vec![
            "sudo apt-get update".into(),
            format!("sudo apt-get install --no-install-recommends {packages}"),
        ];
    }
    let codename = wanted.codename;
    // Shown even where apt has no index yet, when the mirror is what the first command will tell.
    let mirror = mirror(codename).unwrap_or_else(|| "MIRROR".to_owned());
    vec![
        format!(
            "echo '{}' | sudo tee /etc/apt/sources.list.d/backports.list",
            backports_line(&mirror, codename)
        ),
        "sudo apt-get update".into(),
        format!("sudo apt-get install --no-install-recommends -t {codename}-backports {packages}"),
    ]
}

/// The Debian release this is, by its code name; `None` on any other system.
#[must_use]
pub fn debian_codename() -> Option<String> {
    parse_release(&fs::read_to_string("/etc/os-release").ok()?)
}

fn parse_release(text: &str) -> Option<String> {
    let value = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    (value("ID")? == "debian")
        .then(|| value("VERSION_CODENAME"))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_suite_s_mirror_taken_for_the_release_s() {
        let targets = "http://security/ bookworm-security Packages\n\
                       http://m/debian/ bookworm-updates Packages\n\
                       http://m/debian/ bookworm Translations\n\
                       http://m/debian/ bookworm Packages\n";
        assert_eq!(
            parse_mirror(targets, "bookworm").as_deref(),
            Some("http://m/debian/")
        );
        assert_eq!(parse_mirror("", "bookworm"), None);
    }

    #[test]
    fn a_package_s_own_name_taken_for_what_it_depends_on() {
        let text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-57-cloud-amd64\n";
        assert_eq!(
            parse_depends(text, "linux-image-").as_deref(),
            Some("linux-image-6.1.0-57-cloud-amd64")
        );
        assert_eq!(
            parse_depends("linux-image-cloud-amd64\n", "linux-image-"),
            None
        );
    }

    #[test]
    fn a_relative_of_debian_treated_as_debian() {
        assert_eq!(
            parse_release("ID=debian\nVERSION_CODENAME=bookworm\n").as_deref(),
            Some("bookworm")
        );
        assert_eq!(
            parse_release("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"),
            None
        );
        assert_eq!(parse_release("ID=\"debian\"\n"), None);
    }
}
