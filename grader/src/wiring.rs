//! What a run is connected to, and what is left of it.

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::child::MachineExit;
use crate::input::Source;
use crate::output::Output;
use crate::signals::Signals;
use crate::terminal::RawMode;
use crate::watchdog::Goal;

/// Why the loop ended. In all cases but the first QEMU still runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// QEMU ended.
    Exited(MachineExit),
    /// The boot made no progress; the diagnosis says how far it came.
    NotBooted([String; 3]),
    /// The time limit passed.
    TimedOut,
    /// The prompt was shown, and nothing else was asked for.
    Prompted,
    /// The person pressed the key that leaves.
    Left,
    /// The input ended and the output settled.
    InputEnded,
    /// The input ended, but a command was still running and silent.
    Stuck,
    /// The machine wrote more than it may to its serial line.
    Flooded,
    /// What is written about it is larger than it may become.
    Full,
    /// A signal asked us to end.
    Signal(i32),
    /// The input or output failed.
    Broken(String),
}

/// How to run the loop.
#[derive(Debug)]
pub struct Wiring<'a> {
    /// What the input is.
    pub source: Source,
    /// Where it comes from: standard input, or something in its place.
    pub from: BorrowedFd<'a>,
    /// Where the machine's output goes.
    pub output: Output<'a>,
    /// The terminal, if the shell has one.
    pub terminal: Option<&'a RawMode>,
    /// Signals to obey, if they are ours to obey.
    pub signals: Option<&'a Signals>,
    /// What ends the boot.
    pub goal: Goal,
    /// Time without progress after which a boot is given up.
    pub patience: Duration,
    /// Limit for the whole run.
    pub timeout: Option<Duration>,
    /// How many bytes the machine may write to its serial line.
    pub most: Option<u64>,
    /// Files that QEMU writes, and how large they may become.
    pub files: Vec<(PathBuf, u64)>,
    /// End at the first prompt.
    pub until_prompt: bool,
}

impl Wiring<'_> {
    /// Whether a file is larger than it may become. What cannot be looked at is not there yet.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|(file, most)| fs::metadata(file).is_ok_and(|data| data.len() > *most))
    }
}

/// What a finished loop leaves.
#[derive(Debug)]
pub struct Finished {
    /// Why it ended.
    pub ending: Ending,
    /// The machine's output, if it was kept.
    pub transcript: Vec<u8>,
    /// The last line the machine wrote.
    pub last_seen: String,
    /// QEMU's own messages.
    pub messages: String,
    /// From the start to the first prompt.
    pub prompt_after: Option<Duration>,
    /// The boot was over.
    pub booted: bool,
    /// From the start to the end.
    pub elapsed: Duration,
}
