//! The emulator, QEMU or Bochs, as a child process that cannot outlive us.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::bochs::{Line, Place};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{self, Pid, PidfdFlags, Signal};
use sandbox::Policy;

use crate::status::{Failure, Status};
use tempfile::TempDir;

/// First argument of the hidden start-up of `kit` that becomes QEMU: see [`become_qemu`].
pub const BECOME: &str = "--become-qemu";

/// A running emulator. Dropping it kills it and whatever it started.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    exit: Option<MachineExit>,
    /// Its launcher stays beside it, and sees to it that nothing is left.
    confined: bool,
    files: Files,
    /// What the machine's COM1 receives. `None` once it was closed.
    pub input: Option<OwnedFd>,
    /// What the machine's COM1 sends; reading never blocks.
    pub output: OwnedFd,
    /// The emulator's own messages; reading never blocks.
    pub messages: OwnedFd,
    /// Readable once the emulator has ended.
    pub ended: OwnedFd,
}

/// What an emulator uses for as long as it runs.
#[derive(Debug)]
pub enum Files {
    /// QEMU, and a disk if it was started from one.
    Qemu(Option<TempDir>),
    /// Bochs.
    Bochs {
        /// Its files.
        place: Place,
        /// COM1.
        line: Line,
        /// Where the evidence is to go, if it is to go anywhere.
        evidence: Option<PathBuf>,
        /// The number of CPUs.
        cpus: u32,
    },
}

impl Emulator {
    /// Starts the emulator `program` in a process group of its own. It is killed when the calling thread ends, however that
    /// comes about, so the thread that starts it must be the one that waits for it.
    ///
    /// `launcher` is the `kit` program. With a `policy` QEMU is confined by it.
    ///
    /// # Errors
    /// [`Status::Host`] when the launcher cannot be started. An emulator that cannot be started shows as a
    /// machine that ended with [`CANNOT_START`].
    pub fn start(
        launcher: &Path,
        policy: Option<&Policy>,
        program: &Path,
        arguments: &[OsString],
        files: Files,
    ) -> Result<Self, Failure> {
        let mut command = Command::new(launcher);
        match policy {
            Some(policy) => command.args(policy.arguments(program)).env_clear(),
            None => command
                .arg(BECOME)
                .arg(std::process::id().to_string())
                .arg(program),
        };
        command.args(arguments);
        command.process_group(0);
        match &files {
            Files::Qemu(_) => command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
            Files::Bochs { place, .. } => {
                let (output, errors) = place.outputs()?;
                command.stdin(Stdio::null()).stdout(output).stderr(errors)
            }
        };
        let failed =
            |error: io::Error| Failure::host(format!("starting {}: {error}", program.display()));
        let mut child = command.spawn().map_err(failed)?;
        let wired = wire(&mut child, &files).and_then(|wires| {
            let ended = process::pidfd_open(pid(&child), PidfdFlags::empty())?;
            Ok((wires, ended))
        });
        let ((input, output, messages), ended) = wired.map_err(|error| {
            let _ = child.kill().and_then(|()| child.wait());
            failed(error)
        })?;
        let mut emulator = Self {
            child,
            exit: None,
            confined: policy.is_some(),
            files,
            input: Some(input),
            output,
            messages,
            ended,
        };
        emulator.unblock().map_err(failed)?;
        Ok(emulator)
    }

    fn unblock(&mut self) -> io::Result<()> {
        for fd in [
            self.input.as_ref(),
            Some(&self.output),
            Some(&self.messages),
        ]
        .into_iter()
        .flatten()
        {
            fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        }
        Ok(())
    }

    /// How the machine ended, if it has.
    pub fn exit(&mut self) -> Option<MachineExit> {
        if self.exit.is_none() {
            let status = self.child.try_wait().ok().flatten();
            self.exit = status.map(|status| self.files.collect(MachineExit::from(status)));
        }
        self.exit
    }

    /// Whether this is a Bochs that ends at its start, since another started at the same time. Waits until it has said
    /// anything, or ended.
    pub fn lost_its_port(&mut self) -> bool {
        loop {
            let Files::Bochs { place, .. } = &self.files else {
                return false;
            };
            if let Some(lost) = place.lost_its_port() {
                return lost;
            }
            if self.exit().is_some() {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the emulator says of its end besides its messages, if that was none of the kernel's.
    #[must_use]
    pub fn last_words(&self) -> String {
        match (&self.files, self.exit) {
            (
                Files::Bochs { place, .. },
                Some(MachineExit::Emulator(_) | MachineExit::Killed(_) | MachineExit::Reset),
            ) => place.last_words(),
            _ => String::new(),
        }
    }

    /// Kills the emulator and its process group, and waits for it.
    pub fn kill(&mut self) {
        // Group and process number are reserved until the wait, so this hits nobody else.
        if self.exit.is_none() && self.confined {
            let _ = sandbox::end(&mut self.child);
        }
        if self.exit().is_none() {
            let _ = process::kill_process_group(pid(&self.child), Signal::KILL);
            let _ = self.child.kill();
            let status = self.child.wait().ok();
            self.exit = status.map(|status| self.files.collect(MachineExit::from(status)));
        }
    }
}

impl Files {
    /// The emulator has ended with `exit`: takes care of what it left. Returns how the machine ended.
    fn collect(&self, exit: MachineExit) -> MachineExit {
        match self {
            Files::Qemu(_) => exit,
            Files::Bochs {
                place,
                evidence,
                cpus,
                ..
            } => {
                // What cannot be written is missed by whoever looks for it.
                let _ = evidence
                    .as_ref()
                    .map(|file| place.keep_evidence(*cpus, file));
                place.exit(exit)
            }
        }
    }
}

/// What the machine's COM1 receives, what it sends, and the emulator's messages.
fn wire(child: &mut Child, files: &Files) -> io::Result<(OwnedFd, OwnedFd, OwnedFd)> {
    match files {
        Files::Qemu(_) => match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(input), Some(output), Some(messages)) => {
                Ok((input.into(), output.into(), messages.into()))
            }
            _ => Err(io::Error::other("no pipes")),
        },
        Files::Bochs { line, .. } => {
            // Its messages are in a file: here is the end of an empty pipe.
            let (messages, _) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            Ok((line.ours.try_clone()?, line.ours.try_clone()?, messages))
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Status of the launcher when the emulator could not be started; QEMU itself never ends with it.
pub const CANNOT_START: u8 = 126;

/// The hidden start-up of `kit`: asks the system to kill this process when its parent ends, then becomes
/// QEMU. `words` are the parent's process number, the program and its arguments.
///
/// Returns only if that failed, with the reason.
#[must_use]
pub fn become_qemu(mut words: impl Iterator<Item = OsString>) -> String {
    let parent = words
        .next()
        .as_deref()
        .and_then(OsStr::to_str)
        .and_then(|text| text.parse::<i32>().ok());
    let Some(program) = words.next().map(PathBuf::from) else {
        return format!("{BECOME} is for kit itself");
    };
    if let Err(error) = process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!("tying QEMU to kit: {error}");
    }
    // The parent may have ended before the signal was asked for.
    if process::getppid().map(Pid::as_raw_pid) != parent {
        return "kit ended before QEMU started".to_owned();
    }
    let error = Command::new(&program).args(words).exec();
    format!("starting {}: {error}", program.display())
}

/// How the machine ended: the kernel's own verdict through the exit device, or what befell QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineExit {
    /// The shell was left, or the script ran to its end, and nothing was violated.
    Success,
    /// A command of the script failed.
    CommandFailed,
    /// The kernel panicked or took an exception.
    Panicked,
    /// The kernel saw a violation.
    Violation,
    /// The kernel asked to be started anew.
    Reboot,
    /// A CPU waited for too long, and the kernel was told to end the machine then.
    Hung,
    /// The machine reset itself. The kernel never asks for that, so it was a triple fault.
    Reset,
    /// The emulator ended with a status that the kernel cannot cause or does not use.
    Emulator(u8),
    /// The emulator was killed by this signal.
    Killed(i32),
}

impl MachineExit {
    /// The statuses QEMU ends with when the kernel writes v to the exit device: (v << 1) | 1.
    const VERDICTS: [(i32, MachineExit); 7] = [
        (0, MachineExit::Reset),
        (33, MachineExit::Success),
        (35, MachineExit::CommandFailed),
        (37, MachineExit::Panicked),
        (39, MachineExit::Violation),
        (41, MachineExit::Reboot),
        (43, MachineExit::Hung),
    ];

    /// The end that a status of QEMU's stands for.
    #[must_use]
    pub fn from_status(status: i32) -> MachineExit {
        let verdict = Self::VERDICTS.iter().find(|(value, _)| *value == status);
        // A process status has eight bits.
        verdict.map_or(
            MachineExit::Emulator((status & 0xff) as u8),
            |(_, verdict)| *verdict,
        )
    }

    /// The status `kit` ends with when the machine ends so.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            MachineExit::Success | MachineExit::Reboot => Status::Success,
            MachineExit::CommandFailed => Status::CommandFailed,
            MachineExit::Panicked => Status::Panicked,
            MachineExit::Violation => Status::Violation,
            MachineExit::Reset => Status::Reset,
            MachineExit::Hung => Status::Hung,
            MachineExit::Emulator(_) | MachineExit::Killed(_) => Status::Host,
        }
    }
}

impl From<ExitStatus> for MachineExit {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => MachineExit::from_status(code),
            None => MachineExit::Killed(status.signal().unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(wait_status: i32) -> MachineExit {
        MachineExit::from(ExitStatus::from_raw(wait_status))
    }

    #[test]
    fn a_triple_fault_or_a_killed_qemu_read_as_success() {
        assert_eq!(after(0), MachineExit::Reset);
        assert_eq!(after(9), MachineExit::Killed(9));
        for exit in [after(0), after(9), after(1 << 8), after(43 << 8)] {
            assert_ne!(exit.status(), Status::Success, "{exit:?}");
        }
    }

    #[test]
    fn a_verdict_of_the_kernel_mistaken_for_another() {
        let verdict = |value: i32| after(((value << 1) | 1) << 8);
        assert_eq!(verdict(0x10).status(), Status::Success);
        assert_eq!(verdict(0x11).status(), Status::CommandFailed);
        assert_eq!(verdict(0x12).status(), Status::Panicked);
        assert_eq!(verdict(0x13).status(), Status::Violation);
        assert_eq!(verdict(0x14), MachineExit::Reboot);
    }
}
