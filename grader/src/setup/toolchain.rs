//! The compiler for the kernel's target: rustup's, with the target added, or Debian's with its library source.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::apt::{self, Privilege, Wanted};
use super::install::Log;
use super::{Policy, executable, in_path};
use crate::kernel::TARGET;
use crate::say;
use crate::status::{Failure, Status};
use crate::workspace::Workspace;

/// Longest time rustup gets to fetch a target; it takes about a second.
const LIMIT: Duration = Duration::from_secs(120);
/// Debian's compiler and the source of its library.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
/// Where those two put what is needed.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/core/src/lib.rs";

/// A compiler that can build for the kernel's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The one cargo uses anyway; the target's library is at this path.
    Prebuilt(PathBuf),
    /// Debian's compiler, which builds the library from source first.
    DebianSource,
}

impl Toolchain {
    /// Makes a `cargo build` of the kernel use it.
    pub fn apply(&self, command: &mut Command) {
        if let Toolchain::Prebuilt(_) = self {
            return;
        }
        // A stable compiler builds its own library only when told that it may.
        command
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1");
        command.args(["-Z", "build-std=core,alloc,compiler_builtins"]);
        command.args(["-Z", "build-std-features=compiler-builtins-mem"]);
        // Debian's compiler has no linker of its own.
        command.args(["--config", &format!("target.{TARGET}.linker=\"ld\"")]);
        command.args([
            "--config",
            &format!("target.{TARGET}.rustflags=[\"-C\", \"linker-flavor=ld\"]"),
        ]);
    }
}

/// See [`super::toolchain`].
pub fn ensure(workspace: &Workspace, policy: Policy) -> Result<Toolchain, Failure> {
    let sysroot = sysroot();
    let prebuilt = || {
        sysroot
            .as_deref()
            .and_then(core_library)
            .map(Toolchain::Prebuilt)
    };
    if let Some(found) = prebuilt() {
        return Ok(found);
    }
    // Written when rustup failed, so that it is not tried, and waited for, at every start.
    let fallback = workspace.own_dir()?.join("debian-toolchain");
    if fallback.exists() && debian_source() {
        return Ok(Toolchain::DebianSource);
    }
    if policy == Policy::Look {
        return Err(missing("it is not installed"));
    }
    let reason = match add_target(workspace) {
        Ok(()) => match prebuilt() {
            Some(found) => return Ok(found),
            None => "rustup added it to another toolchain than the one cargo uses".to_owned(),
        },
        Err(failure) => failure.to_string(),
    };
    install_debian(workspace, &reason)?;
    // Only a shortcut for the next start.
    let _ = fs::write(&fallback, reason);
    Ok(Toolchain::DebianSource)
}

/// The folder that holds the compiler cargo uses, and its libraries. Cargo tells where it is itself; the
/// compiler lies beside it.
fn sysroot() -> Option<PathBuf> {
    let beside = env::var_os("CARGO").map(PathBuf::from).and_then(|cargo| {
        let folder = cargo.parent()?;
        executable(&folder.join("rustc")).then(|| folder.parent().map(Path::to_path_buf))?
    });
    // In rustup's own folder `rustc` is a stand-in, with no library near.
    if let Some(sysroot) = beside.filter(|sysroot| sysroot.join("lib/rustlib").is_dir()) {
        return Some(sysroot);
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "sysroot"])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}

/// The target's library folder, if it holds a core library.
fn core_library(sysroot: &Path) -> Option<PathBuf> {
    let folder = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let is_core = |name: &str| name.starts_with("libcore-") && name.ends_with(".rlib");
    let found = fs::read_dir(&folder)
        .ok()?
        .flatten()
        .any(|entry| entry.file_name().to_str().is_some_and(is_core));
    found.then_some(folder)
}

fn debian_source() -> bool {
    executable(Path::new(DEBIAN_RUSTC)) && Path::new(DEBIAN_SOURCE).is_file()
}

fn add_target(workspace: &Workspace) -> Result<(), Failure> {
    let rustup = in_path("rustup").ok_or_else(|| missing("there is no rustup to add it with"))?;
    say::line(format_args!(
        "adding the Rust target {TARGET}: the kernel is compiled for it"
    ));
    let mut command = Command::new(rustup);
    command
        .current_dir(&workspace.root)
        .args(["target", "add", TARGET]);
    Log::new(workspace, "setup-target.log")?.run(command, LIMIT)
}

fn wanted(codename: &str) -> Wanted<'_> {
    Wanted {
        packages: &PACKAGES,
        backports: false,
        codename,
    }
}

fn install_debian(workspace: &Workspace, reason: &str) -> Result<(), Failure> {
    if debian_source() {
        say::line(format_args!("using Debian's Rust for the kernel: {reason}"));
        return Ok(());
    }
    let (Some(codename), Some(privilege)) = (apt::debian_codename(), Privilege::find()) else {
        return Err(missing(reason));
    };
    say::line(format_args!("rustup cannot help: {reason}"));
    say::line(
        "installing Debian's Rust and its library source instead: the first build takes a minute longer",
    );
    apt::install(workspace, privilege, &wanted(&codename), "setup-rust.log")?;
    match debian_source() {
        true => Ok(()),
        false => Err(missing(
            "Debian's packages do not hold a compiler with its library source",
        )),
    }
}

fn missing(reason: &str) -> Failure {
    let message = format!("the Rust target {TARGET} is missing: {reason}");
    let failure = Failure::new(Status::Missing, message)
        .advise("run:")
        .advise(format!("rustup target add {TARGET}"));
    match apt::debian_codename() {
        Some(codename) => {
            let failure = failure.advise("or, where rustup cannot fetch:");
            apt::commands(&wanted(&codename))
                .into_iter()
                .fold(failure, Failure::advise)
        }
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_target_folder_taken_for_an_installed_target() {
        let sysroot = tempfile::tempdir().unwrap();
        let folder = sysroot.path().join("lib/rustlib").join(TARGET).join("lib");
        assert_eq!(core_library(sysroot.path()), None);
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(core_library(sysroot.path()), None);
        fs::write(folder.join("libcore-0123.rlib"), "").unwrap();
        assert_eq!(core_library(sysroot.path()), Some(folder));
    }
}
