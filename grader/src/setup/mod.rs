//! Finds the tools the kit needs and installs what is missing. What is there already costs a few file
//! look-ups, no processes.

mod apt;
mod install;
mod qemu;
mod toolchain;
mod tools;

use std::env;
use std::path::{Path, PathBuf};

use crate::status::Failure;
use crate::workspace::Workspace;

pub(crate) use apt::{depends_on, download};
pub(crate) use install::Log;
pub use qemu::{QemuInfo, Version};
pub use toolchain::Toolchain;
pub use tools::{BOCHS, BOCHS_BIOS, BOCHS_VGA, CHROMIUM, GDB, GRUB, OVMF, OVMF_FILE, SPIN, Tool};

/// Whether a missing tool may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Install it, saying so.
    Install,
    /// Only report it.
    Look,
}

/// A compiler that can build the kernel, installing one where there is none.
///
/// # Errors
/// [`crate::status::Status::Missing`], with the commands to run.
pub fn toolchain(workspace: &Workspace, policy: Policy) -> Result<Toolchain, Failure> {
    toolchain::ensure(workspace, policy)
}

/// A QEMU that can boot the kernel: `chosen`, or the one in `PATH`, installing it where there is none.
///
/// # Errors
/// [`crate::status::Status::Usage`] when `chosen` is not a program, else
/// [`crate::status::Status::Missing`], with the commands to run.
pub fn qemu(
    workspace: &Workspace,
    chosen: Option<&Path>,
    policy: Policy,
) -> Result<PathBuf, Failure> {
    qemu::ensure(workspace, chosen, policy)
}

/// gdb, the one in `PATH`, installing it where there is none.
///
/// # Errors
/// [`crate::status::Status::Missing`], with the commands to run.
pub fn gdb(workspace: &Workspace, policy: Policy) -> Result<PathBuf, Failure> {
    program(workspace, GDB, "gdb", policy)
}

/// Bochs, the one in `PATH`, installing it where there is none.
///
/// # Errors
/// [`crate::status::Status::Missing`], with the commands to run.
pub fn bochs(workspace: &Workspace, policy: Policy) -> Result<PathBuf, Failure> {
    program(workspace, BOCHS, "bochs-bin", policy)
}

/// Chromium, the one in `PATH`, installing it where there is none: for tests and measurements of the viewer.
///
/// # Errors
/// [`crate::status::Status::Missing`], with the commands to run.
pub fn chromium(workspace: &Workspace, policy: Policy) -> Result<PathBuf, Failure> {
    program(workspace, CHROMIUM, "chromium", policy)
}

/// Spin, the one in `PATH`, installing it where there is none, with the compiler that its checkers need.
///
/// # Errors
/// [`crate::status::Status::Missing`], with the commands to run.
pub fn spin(workspace: &Workspace, policy: Policy) -> Result<PathBuf, Failure> {
    program(workspace, SPIN, "spin", policy)
}

fn program(
    workspace: &Workspace,
    tool: Tool,
    name: &str,
    policy: Policy,
) -> Result<PathBuf, Failure> {
    tool.ensure(workspace, policy)?;
    in_path(name).ok_or_else(|| Failure::host(format!("{name} has just gone from PATH")))
}

/// What is known about a QEMU; remembered from run to run until the program changes.
///
/// # Errors
/// [`crate::status::Status::Host`] when the program does not tell its version.
pub fn qemu_info(workspace: &Workspace, program: &Path) -> Result<QemuInfo, Failure> {
    qemu::info(workspace, program)
}

/// The first executable file called `name` in `PATH`.
#[must_use]
pub fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| executable(file))
}

/// Whether `file` is a file somebody may execute.
fn executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
