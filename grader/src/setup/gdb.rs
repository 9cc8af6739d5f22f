//! gdb: found in `PATH`, or installed.

use std::path::PathBuf;

use super::apt::{self, Privilege, Wanted};
use super::{Policy, in_path};
use crate::say;
use crate::status::{Failure, Status};
use crate::workspace::Workspace;

/// The program, and Debian's package of it.
const GDB: &str = "gdb";

fn wanted(codename: &str) -> Wanted<'_> {
    Wanted {
        packages: &[GDB],
        backports: false,
        codename,
    }
}

/// See [`super::gdb`].
pub fn ensure(workspace: &Workspace, policy: Policy) -> Result<PathBuf, Failure> {
    if let Some(path) = in_path(GDB) {
        return Ok(path);
    }
    let codename = apt::debian_codename();
    let (Policy::Install, Some(release)) = (policy, codename.as_deref()) else {
        return Err(missing(codename.as_deref()));
    };
    let Some(privilege) = Privilege::find() else {
        return Err(missing(Some(release)));
    };
    say::line("installing gdb");
    apt::install(workspace, privilege, &wanted(release), "setup-gdb.log")?;
    in_path(GDB).ok_or_else(|| {
        Failure::new(
            Status::Missing,
            "the package gdb is installed, but gdb is not in PATH",
        )
    })
}

fn missing(codename: Option<&str>) -> Failure {
    let failure = Failure::new(Status::Missing, "gdb is not installed");
    match codename {
        Some(codename) => apt::commands(&wanted(codename))
            .into_iter()
            .fold(failure.advise("run:"), Failure::advise),
        None => failure.advise("install gdb 12 or later with this system's package manager"),
    }
}
