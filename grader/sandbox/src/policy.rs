//! What a program may touch and use.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{LAUNCH, Layers};

/// What a program may touch and use. All else is refused.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Policy {
    /// What may be read and executed: files, or folders with all in them.
    pub readable: Vec<PathBuf>,
    /// Folders and files that may be read and changed.
    pub writable: Vec<PathBuf>,
    /// Its environment: nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// What it may start.
    pub starts: Starts,
    /// How much it may use.
    pub limits: Limits,
    /// What holds it.
    pub layers: Layers,
}

/// What a program may start. How many there may be is looked at from outside, and a busy host looks seldom; what may
/// not be started at all is refused by the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Starts {
    /// Neither threads nor programs.
    Nothing,
    /// Threads.
    Threads,
    /// Programs as well.
    Programs,
}

/// How much a program, with all that it starts, may use.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Limits {
    /// CPU time in seconds.
    pub cpu: u64,
    /// Memory in bytes: resident, all processes together.
    pub memory: u64,
    /// Processes and threads.
    pub processes: usize,
    /// The size of any file in bytes, and of all in the writable folders together.
    pub disk: u64,
    /// How many files there may be in the writable folders.
    pub files: usize,
    /// What it may say, in bytes, of standard output and of standard error.
    pub output: u64,
    /// Time on the wall in seconds, after which the host is taken to stand still.
    pub wall: u64,
}

impl Policy {
    /// The launcher's arguments that confine `program` so. What follows them are the program's own.
    ///
    /// # Panics
    /// Never: a policy can be written as JSON unless a path is not UTF-8, and such paths are written lossily.
    #[must_use]
    pub fn arguments(&self, program: &Path) -> Vec<OsString> {
        let text = serde_json::to_string(self).unwrap_or_default();
        vec![LAUNCH.into(), text.into(), program.into()]
    }
}
