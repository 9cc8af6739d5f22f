//! `kit gdb`: the machine and gdb together; and what `kit run --gdb` prepares for a gdb started by hand.
//!
//! gdb talks to the machine over a Unix socket in a folder of its own, so no two runs meet on a port. Two
//! stubs can answer it: the kernel's own on COM2, which knows what the machine's CPUs are doing and stops
//! with them, and QEMU's, which stands outside.

pub mod peer;
mod together;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use tempfile::TempDir;

use crate::command::quoted;
use crate::options::MachineOptions;
use crate::status::{Failure, Status};
use crate::workspace::Workspace;

pub use together::gdb;

/// Arguments of `kit gdb`.
#[derive(Args, Clone, Debug)]
pub struct GdbArgs {
    /// The machine.
    #[command(flatten)]
    pub machine: MachineOptions,

    /// Whose stub gdb talks to
    #[arg(long, value_enum, default_value_t)]
    pub stub: Stub,

    /// Stop early: before the kernel starts the other CPUs, or with QEMU's stub before the first instruction
    #[arg(long)]
    pub wait: bool,

    /// Boot this kernel instead of building one
    #[arg(long, value_name = "ELF")]
    pub kernel: Option<PathBuf>,

    /// Arguments for gdb, behind `--`; they come after the connection is made
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<OsString>,
}

/// Who answers gdb.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stub {
    /// The kernel's own, on COM2
    #[default]
    Kernel,
    /// QEMU's
    Qemu,
}

/// A machine's way to gdb.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Who answers.
    pub stub: Stub,
    /// The Unix socket that QEMU listens on.
    pub socket: PathBuf,
    /// Nothing is done before gdb says so.
    pub wait: bool,
}

impl Channel {
    /// QEMU's arguments for it.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let listen = |before: &str| {
            let mut word = OsString::from(before);
            // A comma would begin QEMU's next option.
            for (number, piece) in self
                .socket
                .as_os_str()
                .as_bytes()
                .split(|&b| b == b',')
                .enumerate()
            {
                word.push(if number > 0 { ",," } else { "" });
                word.push(OsStr::from_bytes(piece));
            }
            word.push(",server=on,wait=off");
            word
        };
        match self.stub {
            // By its place: one of QEMU's machine types has no second `-serial`.
            Stub::Kernel => vec![
                "-chardev".into(),
                listen("socket,id=com2,path="),
                "-device".into(),
                "isa-serial,chardev=com2,index=1".into(),
            ],
            Stub::Qemu => {
                let mut arguments = vec!["-gdb".into(), listen("unix:")];
                arguments.extend(self.wait.then(|| "-S".into()));
                arguments
            }
        }
    }

    /// The kernel's words for it: where gdb finds the kernel's symbols, and whether it waits.
    #[must_use]
    pub fn words(&self, kernel: &Path) -> Vec<String> {
        if self.stub == Stub::Qemu {
            return Vec::new();
        }
        let path = std::path::absolute(kernel).unwrap_or_else(|_| kernel.to_path_buf());
        let mut words = vec![format!("exec={}", encoded(path.as_os_str()))];
        words.extend(self.wait.then(|| "gdb=wait".to_owned()));
        words
    }

    /// gdb's arguments to reach it, with the kernel's symbols and the kit's commands.
    #[must_use]
    pub fn attach(&self, workspace: &Workspace, kernel: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["-q".into(), kernel.into()];
        let mut word = |option: &str, value: OsString| arguments.extend([option.into(), value]);
        word("-x", workspace.root.join(EXTENSION).into());
        // Longer than a boot takes on a busy host.
        word("-ex", "set remotetimeout 30".into());
        let mut target = OsString::from("target remote ");
        target.push(&self.socket);
        word("-ex", target);
        if self.stub == Stub::Qemu {
            // Without it a step never enters an interrupt handler: QEMU holds interrupts back.
            word("-ex", "maintenance packet Qqemu.sstep=0x5".into());
        }
        arguments
    }

    /// The line to start gdb by hand.
    #[must_use]
    pub fn by_hand(&self, workspace: &Workspace, kernel: &Path) -> String {
        quoted(Path::new("gdb"), &self.attach(workspace, kernel))
    }
}

/// The kit's commands for gdb, in the workspace.
const EXTENSION: &str = "gdb/shootdown.py";

/// A path as one word of the kernel's command line: `%` and two digits for what that cannot hold.
fn encoded(path: &OsStr) -> String {
    path.as_bytes()
        .iter()
        .map(|&byte| match byte {
            b'%' | b'"' | b'\'' | b',' | 0..=b' ' | 0x7f.. => format!("%{byte:02x}"),
            plain => char::from(plain).to_string(),
        })
        .collect()
}

/// A folder that only we can enter; it goes with the value.
#[derive(Debug)]
pub struct Place(TempDir);

/// The longest name of a Unix socket.
const LONGEST: usize = 107;

impl Place {
    /// A new one.
    ///
    /// # Errors
    /// [`Status::Host`] when there can be none, or its name is too long for a socket.
    pub fn new() -> Result<Self, Failure> {
        let dir = tempfile::Builder::new()
            .prefix("kit-gdb-")
            .tempdir()
            .map_err(|error| Failure::host(format!("making a folder for sockets: {error}")))?;
        let place = Place(dir);
        let length = place.file("gdb").as_os_str().len();
        if length > LONGEST {
            return Err(Failure::new(
                Status::Host,
                format!("a socket's name may have {LONGEST} bytes, this would have {length}"),
            )
            .advise("set TMPDIR to a shorter one"));
        }
        Ok(place)
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A way to gdb through it.
    #[must_use]
    pub fn channel(&self, stub: Stub, wait: bool) -> Channel {
        Channel {
            stub,
            socket: self.file("gdb"),
            wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(stub: Stub) -> Channel {
        Channel {
            stub,
            socket: "/tmp/a,b/gdb".into(),
            wait: true,
        }
    }

    #[test]
    fn a_folder_whose_name_qemu_takes_for_options() {
        let made = channel(Stub::Kernel).arguments();
        assert_eq!(
            made[1],
            "socket,id=com2,path=/tmp/a,,b/gdb,server=on,wait=off"
        );
    }

    #[test]
    fn a_kernel_whose_path_falls_apart_on_the_command_line() {
        let words = channel(Stub::Kernel).words(Path::new("/a b/it's/100%/ü"));
        assert_eq!(words, ["exec=/a%20b/it%27s/100%25/%c3%bc", "gdb=wait"]);
    }

    #[test]
    fn a_step_that_never_enters_a_handler() {
        let workspace = Workspace {
            root: "/w".into(),
            target: "/t".into(),
        };
        let line = channel(Stub::Qemu).by_hand(&workspace, Path::new("/k"));
        assert!(line.contains("Qqemu.sstep=0x5"), "{line}");
    }
}
