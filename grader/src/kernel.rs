//! Builds the kernel and the initrd that names its functions.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::NamedTempFile;

use crate::initrd;
use crate::options::ProfileChoice;
use crate::say;
use crate::setup::Toolchain;
use crate::status::{Doing, Failure, Status};
use crate::symbols;
use crate::workspace::Workspace;

/// The built-in Rust target the kernel is compiled for.
pub const TARGET: &str = "x86_64-unknown-none";

/// A check that nothing has to be built takes less; what takes longer is announced.
const SILENCE: Duration = Duration::from_millis(700);

/// A kernel that was built from the sources as they are now, with the names of its functions.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The ELF file that QEMU boots.
    pub elf: PathBuf,
    /// An initrd with the names and no script.
    pub initrd: PathBuf,
    /// The initrd's `symbols` file: see [`crate::symbols::table`].
    pub symbols: Vec<u8>,
}

impl Kernel {
    /// Builds what is out of date. Cargo's own messages go to standard error.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] when the kernel does not compile or a file cannot be written.
    pub fn build(
        workspace: &Workspace,
        toolchain: &Toolchain,
        profile: ProfileChoice,
    ) -> Result<Self, Failure> {
        let folder = if profile.debug { "debug" } else { "release" };
        let elf = workspace.target.join(TARGET).join(folder).join("kernel");
        compile(workspace, toolchain, profile, elf.exists())?;
        let symbols = symbols_of(&elf)?;
        let initrd = elf.with_extension("initrd");
        if !newer(&initrd, &elf) {
            persist(initrd::write(&parent(&initrd), &symbols, None)?, &initrd)?;
        }
        Ok(Self {
            elf,
            initrd,
            symbols,
        })
    }

    /// A kernel that somebody else built.
    ///
    /// # Errors
    /// [`crate::status::Status::Usage`] when it cannot be read.
    pub fn ready_made(workspace: &Workspace, elf: &Path) -> Result<Self, Failure> {
        let image = fs::read(elf).doing("reading", elf).map_err(usage)?;
        let symbols = symbols::table(&image)
            .map_err(|error| usage(unreadable(elf, &error)))?
            .into_bytes();
        // One for each kernel: several may be booted at once.
        let mut hasher = DefaultHasher::new();
        elf.hash(&mut hasher);
        let name = format!("ready-made-{:016x}.initrd", hasher.finish());
        let initrd = workspace.own_dir()?.join(name);
        persist(initrd::write(&parent(&initrd), &symbols, None)?, &initrd)?;
        Ok(Self {
            elf: elf.to_path_buf(),
            initrd,
            symbols,
        })
    }

    /// An initrd whose script the kernel runs before it exits. The file is deleted when the value is dropped.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] when it cannot be written.
    pub fn with_script(
        &self,
        workspace: &Workspace,
        script: &[u8],
    ) -> Result<NamedTempFile, Failure> {
        initrd::write(&workspace.own_dir()?, &self.symbols, Some(script))
    }
}

/// Moves a finished temporary file to its place, so that a reader finds the old file or the new one, whole.
///
/// # Errors
/// [`crate::status::Status::Host`] when the file system refuses.
pub fn persist(file: NamedTempFile, place: &Path) -> Result<(), Failure> {
    file.persist(place)
        .map(drop)
        .map_err(|error| error.error)
        .doing("writing", place)
}

fn compile(
    workspace: &Workspace,
    toolchain: &Toolchain,
    profile: ProfileChoice,
    built_before: bool,
) -> Result<(), Failure> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&workspace.root).stdin(Stdio::null());
    // The host's flags would replace the ones the kernel is linked with.
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
        .args([
            "build",
            "--package",
            "kernel",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&workspace.target);
    if !profile.debug {
        command.arg("--release");
    }
    if built_before {
        command.arg("--quiet");
    } else {
        say::line("building the kernel");
    }
    toolchain.apply(&mut command);
    // Standard output is the machine's alone.
    command.stdout(io::stderr());
    let failed = |error: io::Error| Failure::host(format!("starting cargo: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    if built_before && !ends_within(&child, SILENCE) {
        say::line("building the kernel, whose sources have changed");
    }
    let status = child.wait().map_err(failed)?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::host(format!(
            "the kernel did not build ({status}): the reason is above"
        ))),
    }
}

/// The names of the kernel's functions, kept beside the ELF file from run to run.
fn symbols_of(elf: &Path) -> Result<Vec<u8>, Failure> {
    let cache = elf.with_extension("symbols");
    if newer(&cache, elf) {
        return fs::read(&cache).doing("reading", &cache);
    }
    let image = fs::read(elf).doing("reading", elf)?;
    let table = symbols::table(&image).map_err(|error| unreadable(elf, &error))?;
    let mut file = NamedTempFile::new_in(parent(&cache)).doing("writing", &cache)?;
    io::Write::write_all(&mut file, table.as_bytes()).doing("writing", &cache)?;
    persist(file, &cache)?;
    Ok(table.into_bytes())
}

/// Whether the child ends in that time; also when that cannot be told.
fn ends_within(child: &Child, time: Duration) -> bool {
    let Ok(ended) = pidfd_open(Pid::from_child(child), PidfdFlags::empty()) else {
        return true;
    };
    let mut fds = [PollFd::new(&ended, PollFlags::IN)];
    let time = Timespec::try_from(time).ok();
    poll(&mut fds, time.as_ref()) != Ok(0)
}

fn unreadable(elf: &Path, error: &object::Error) -> Failure {
    Failure::host(format!("reading the symbols of {}: {error}", elf.display()))
}

fn usage(failure: Failure) -> Failure {
    Failure {
        status: Status::Usage,
        ..failure
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Whether `made` was written after `source`; equal times do not prove it.
fn newer(made: &Path, source: &Path) -> bool {
    let time = |path: &Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    matches!((time(made), time(source)), (Some(made), Some(source)) if made > source)
}
