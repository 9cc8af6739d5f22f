//! `kit run`: boots the machine for a person, a pipe or a script.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::stdio;

use crate::child::MachineExit;
use crate::command::Session;
use crate::gdb::{Place, Stub};
use crate::input::Source;
use crate::launch::Prepared;
use crate::options::{Board, MachineOptions};
use crate::output::Output;
use crate::say;
use crate::setup::{self, Policy};
use crate::signals::Signals;
use crate::status::{Doing, Failure, Status};
use crate::terminal::{self, RawMode};
use crate::verdict::{Kind, judge};
use crate::watchdog::Goal;
use crate::wiring::{Ending, Finished, Wiring};
use crate::workspace::Workspace;

/// Arguments of `kit run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The machine.
    #[command(flatten)]
    pub machine: MachineOptions,

    /// Run the shell commands in FILE (`-` is standard input), then exit; the transcript goes to standard output
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    pub script: Option<PathBuf>,

    /// Run these shell commands, then exit; each `;` ends one
    #[arg(long, value_name = "COMMANDS")]
    pub command: Option<String>,

    /// Give up a run after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,

    /// Give up a boot that makes no progress for this many seconds [default: 20, from a disk 100]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub boot_timeout: Option<u64>,

    /// Leave the kernel's boot messages out of the output (not when a terminal is at the prompt)
    #[arg(long, short)]
    pub quiet: bool,

    /// Print the emulator's command as one line instead of running it
    #[arg(long)]
    pub print_command: bool,

    /// Boot this kernel instead of building one
    #[arg(long, value_name = "ELF")]
    pub kernel: Option<PathBuf>,

    /// Have gdb attach when you like: prints the line to start it with, for the kernel's own stub or QEMU's
    #[arg(long, value_name = "STUB", value_enum, num_args = 0..=1, default_missing_value = "kernel")]
    pub gdb: Option<Stub>,
}

/// How a run ended, if not with a [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// By this signal.
    Signal(i32),
}

/// Boots the machine as asked and stays until it ends.
///
/// # Errors
/// Every [`Status`] but success.
pub fn run(args: &RunArgs) -> Result<Outcome, Failure> {
    let script = script(args.script.as_deref(), args.command.as_deref())?;
    let prepared = Prepared::new(
        Workspace::find()?,
        &args.machine,
        args.kernel.as_deref(),
        Policy::Install,
    )?;
    if args.machine.qemu.is_none() && args.machine.machine != Board::Bochs {
        warn_of_old_qemu(&prepared);
    }
    let place = args.gdb.map(|_| Place::new()).transpose()?;
    let args = &with_gdb(args, &prepared, place.as_ref());
    let initrd = prepared.initrd(script.as_deref())?;
    let session = session(script.is_some());
    if args.print_command {
        println!(
            "{}",
            prepared.print(&args.machine, session, &initrd.keep()?)?
        );
        return Ok(Outcome::Done);
    }
    let signals =
        Signals::take().map_err(|error| Failure::host(format!("taking over signals: {error}")))?;
    loop {
        let (finished, outcome) = boot(args, &prepared, session, initrd.path(), &signals)?;
        if finished.ending != Ending::Exited(MachineExit::Reboot) {
            return Ok(outcome);
        }
        say::line("starting the machine anew");
    }
}

/// The arguments with a way to gdb through `place`; says how to take it.
fn with_gdb(args: &RunArgs, prepared: &Prepared, place: Option<&Place>) -> RunArgs {
    let channel = place
        .zip(args.gdb)
        .map(|(place, stub)| place.channel(stub, false));
    if let Some(channel) = &channel {
        let line = channel.by_hand(&prepared.workspace, &prepared.kernel.elf);
        say::line(format_args!("to attach gdb, in another terminal: {line}"));
    }
    let mut args = args.clone();
    args.machine.gdb = channel;
    args
}

/// One boot, with the terminal in raw mode for as long as it lasts.
fn boot(
    args: &RunArgs,
    prepared: &Prepared,
    session: Session,
    initrd: &Path,
    signals: &Signals,
) -> Result<(Finished, Outcome), Failure> {
    let kind = if session.script {
        Kind::Script
    } else {
        Kind::Shell
    };
    let source = source(kind);
    let raw = match source {
        Source::Terminal => raw_mode(&args.machine)?,
        Source::Pipe | Source::None => None,
    };
    let person = raw.is_some() && io::stdout().is_terminal();
    let output = Output::lines(stdio::stdout(), args.quiet && !person);
    let wiring = Wiring {
        source,
        from: stdio::stdin(),
        output,
        terminal: raw.as_ref(),
        signals: Some(signals),
        goal: match kind {
            Kind::Shell => Goal::Prompt,
            Kind::Script => Goal::Ready,
        },
        patience: args
            .boot_timeout
            .map_or_else(|| args.machine.patience(), Duration::from_secs),
        timeout: args.timeout.map(Duration::from_secs),
        most: None,
        files: Vec::new(),
        until_prompt: false,
    };
    let finished = prepared.boot(&args.machine, session, initrd, wiring)?;
    if person {
        // The machine's last line has no end.
        eprintln!();
    }
    drop(raw);
    let by_hand = prepared.by_hand(&args.machine, session, initrd)?;
    judge(&finished, kind, &by_hand)?;
    let outcome = match finished.ending {
        Ending::Signal(signal) => Outcome::Signal(signal),
        _ => Outcome::Done,
    };
    Ok((finished, outcome))
}

fn source(kind: Kind) -> Source {
    match (kind, io::stdin().is_terminal()) {
        (Kind::Script, _) => Source::None,
        (Kind::Shell, true) => Source::Terminal,
        (Kind::Shell, false) => Source::Pipe,
    }
}

fn raw_mode(machine: &MachineOptions) -> Result<Option<RawMode>, Failure> {
    let (cpus, s) = (machine.cpus, if machine.cpus == 1 { "" } else { "s" });
    say::dim(format_args!("booting {cpus} CPU{s}; Ctrl-] leaves"));
    RawMode::enter().map_err(|error| Failure::host(format!("setting up the terminal: {error}")))
}

fn session(script: bool) -> Session {
    let terminal = io::stdout().is_terminal();
    Session {
        script,
        colour: terminal && !script && say::colour_allowed(),
        // A transcript must not depend on who looks at it.
        columns: (!script).then(terminal::columns).flatten(),
        interactive: !script && terminal && io::stdin().is_terminal(),
    }
}

/// The script's text, if there is one: that of `file`, or of `commands`.
///
/// # Errors
/// [`Status::Usage`] when it cannot be read.
pub fn script(file: Option<&Path>, commands: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(commands) = commands {
        let lines = commands
            .split(';')
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("\n");
        return Ok(Some(format!("{lines}\n").into_bytes()));
    }
    let Some(path) = file else {
        return Ok(None);
    };
    if path == Path::new("-") {
        let mut text = Vec::new();
        io::stdin()
            .read_to_end(&mut text)
            .doing("reading the script from", Path::new("standard input"))?;
        return Ok(Some(text));
    }
    let unreadable = |failure: Failure| Failure {
        status: Status::Usage,
        ..failure
    };
    fs::read(path)
        .doing("reading the script", path)
        .map(Some)
        .map_err(unreadable)
}

/// Nothing here needs a new QEMU but what it lacks should not come as a surprise.
fn warn_of_old_qemu(prepared: &Prepared) {
    match setup::qemu_info(&prepared.workspace, &prepared.emulator) {
        Ok(info) if info.x2apic() => {}
        Ok(info) => say::line(format_args!(
            "QEMU {} has no x2APIC: version 10 or later has it",
            info.version
        )),
        Err(failure) => say::line(failure),
    }
}
