//! The machine and gdb side by side, until gdb ends.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::{Errno, read, write};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::{Channel, GdbArgs, Place};
use crate::child::Emulator;
use crate::command::Session;
use crate::launch::Prepared;
use crate::options::MachineOptions;
use crate::run::Outcome;
use crate::say;
use crate::setup::{self, Policy};
use crate::signals::{Asked, Signals};
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// How long QEMU may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is taken from a pipe at once.
const CHUNK: usize = 4096;

/// Boots the machine and starts gdb on it; ends the machine when gdb ends.
///
/// gdb has the terminal. What the machine writes to COM1 goes to a file, whose name is said; the variable
/// `KIT_CONSOLE` names it to gdb, and `KIT_SHELL` a pipe whose bytes are typed at the machine's shell.
///
/// # Errors
/// What booting fails with; [`Status::CommandFailed`] when gdb itself ended with a failure.
pub fn gdb(args: &GdbArgs) -> Result<Outcome, Failure> {
    let workspace = Workspace::find()?;
    let program = setup::gdb(&workspace, Policy::Install)?;
    let prepared = Prepared::new(
        workspace,
        &args.machine,
        args.kernel.as_deref(),
        Policy::Install,
    )?;
    let place = Place::new()?;
    let channel = place.channel(args.stub, args.wait);
    let shell = place.file("shell");
    let typed = fifo(&shell)?;
    let console = prepared.workspace.own_dir()?.join("gdb-console.txt");
    let log = File::create(&console).doing("writing", &console)?;
    let signals =
        Signals::take().map_err(|error| Failure::host(format!("taking over signals: {error}")))?;
    let qemu = start(args, &prepared, channel.clone())?;
    say::dim(format_args!(
        "the machine's console goes to {}",
        console.display()
    ));
    let child = Command::new(&program)
        .args(channel.attach(&prepared.workspace, &prepared.kernel.elf))
        .args(&args.arguments)
        .env("KIT_CONSOLE", &console)
        .env("KIT_SHELL", &shell)
        .spawn()
        .doing("starting", &program)?;
    let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
    let ended = ended.map_err(|error| Failure::host(format!("watching gdb: {error}")))?;
    let both = Both {
        qemu,
        child,
        ended,
        typed,
        log,
        signals,
    };
    both.until_gdb_ends()
}

/// The machine, which listens for gdb.
fn start(args: &GdbArgs, prepared: &Prepared, channel: Channel) -> Result<Emulator, Failure> {
    let socket = channel.socket.clone();
    let options = MachineOptions {
        gdb: Some(channel),
        ..args.machine.clone()
    };
    let initrd = prepared.initrd(None)?;
    let mut qemu = prepared.start(&options, Session::default(), initrd.path())?;
    let begun = Instant::now();
    while !socket.exists() {
        if qemu.exit().is_some() || begun.elapsed() > PATIENCE {
            let mut words = [0; CHUNK];
            let length = read(&qemu.messages, &mut words).unwrap_or(0);
            let failure = Failure::host("QEMU does not listen for gdb");
            let said = String::from_utf8_lossy(&words[..length]).into_owned();
            return Err(said
                .lines()
                .fold(failure, |failure, line| failure.advise(line)));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(qemu)
}

/// A named pipe that can be read from before and after somebody writes to it.
fn fifo(path: &Path) -> Result<OwnedFd, Failure> {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .and_then(|()| open(path, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()))
        .doing("making", path)
}

struct Both {
    qemu: Emulator,
    child: Child,
    ended: OwnedFd,
    typed: OwnedFd,
    log: File,
    signals: Signals,
}

impl Both {
    fn until_gdb_ends(mut self) -> Result<Outcome, Failure> {
        loop {
            self.wait();
            self.pass_on();
            match self.signals.asked() {
                // Ctrl-C is gdb's.
                Some(Asked::End(signal)) if signal != Signal::INT.as_raw() => {
                    let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
                    let _ = self.child.wait();
                    return Ok(Outcome::Signal(signal));
                }
                _ => {}
            }
            let status = self.child.try_wait();
            match status.map_err(|error| Failure::host(format!("waiting for gdb: {error}")))? {
                Some(status) => return judged(status),
                None => continue,
            }
        }
    }

    /// Until there is something to do; at most for a while, for what cannot be waited for.
    fn wait(&self) {
        let mut fds: Vec<PollFd<'_>> =
            [self.ended.as_fd(), self.typed.as_fd(), self.signals.as_fd()]
                .map(readable)
                .into();
        // A machine that has ended has its pipes closed, which is always news.
        if !self.qemu_ended() {
            fds.extend([&self.qemu.output, &self.qemu.messages].map(|fd| readable(fd.as_fd())));
        }
        let _ = poll(
            &mut fds,
            Some(&Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            }),
        );
    }

    fn qemu_ended(&self) -> bool {
        let mut fds = [readable(self.qemu.ended.as_fd())];
        poll(&mut fds, Some(&Timespec::default())) != Ok(0)
    }

    /// Passes the machine's words to the log, and what is typed to the machine.
    fn pass_on(&mut self) {
        for from in [&self.qemu.output, &self.qemu.messages] {
            while let Some(bytes) = take(from) {
                // A log that cannot be written is no reason to end the session.
                let _ = self.log.write_all(&bytes);
            }
        }
        while let Some(bytes) = take(&self.typed) {
            if let Some(input) = &self.qemu.input {
                // The machine takes it as it comes: a few lines at a time are typed.
                let _ = write(input, &bytes);
            }
        }
    }
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::IN)
}

/// What has come in.
fn take(fd: &OwnedFd) -> Option<Vec<u8>> {
    let mut bytes = vec![0; CHUNK];
    loop {
        match read(fd, &mut bytes) {
            Ok(0) => return None,
            Ok(length) => {
                bytes.truncate(length);
                return Some(bytes);
            }
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

fn judged(status: ExitStatus) -> Result<Outcome, Failure> {
    match (status.success(), status.signal()) {
        (true, _) => Ok(Outcome::Done),
        (_, Some(signal)) => Ok(Outcome::Signal(signal)),
        _ => Err(Failure::new(
            Status::CommandFailed,
            format!("gdb ended with {status}"),
        )),
    }
}
