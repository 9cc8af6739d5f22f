//! How a run of `kit` can end: one table from which `--help`, the process status and the tests derive.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The reason `kit` ended, as its process status. A run ended by signal N has status 128 + N instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Everything asked for was done; a script ran to its end and nothing was violated.
    Success = 0,
    /// A command of the script failed, or an expectation was not met.
    CommandFailed = 1,
    /// The command line, or a file it names, is wrong.
    Usage = 2,
    /// A tool is missing and could not be installed.
    Missing = 3,
    /// The machine did not reach its prompt.
    NotBooted = 4,
    /// The host failed: the kernel did not build, a file could not be written, QEMU did not start or was killed.
    Host = 5,
    /// The script was still running at the time limit.
    Unfinished = 6,
    /// The kernel panicked or took an exception.
    Panicked = 7,
    /// The kernel saw a violation, such as a stale read.
    Violation = 8,
    /// The machine reset itself, as a triple fault does.
    Reset = 9,
    /// A wait in the kernel lasted too long, and its watchdog ended the machine.
    Hung = 10,
}

impl Status {
    /// Every status with the line `--help` prints for it, in the order of their numbers.
    pub const TABLE: [(Status, &str); 11] = [
        (
            Status::Success,
            "success: every command succeeded, nothing was violated",
        ),
        (
            Status::CommandFailed,
            "a command of the script failed, or an expectation was not met",
        ),
        (
            Status::Usage,
            "the command line, or a file it names, is wrong",
        ),
        (
            Status::Missing,
            "a tool is missing and kit cannot install it: the commands to run are printed",
        ),
        (Status::NotBooted, "the machine did not reach its prompt"),
        (
            Status::Host,
            "the host failed: build error, full disk, QEMU did not start or was killed",
        ),
        (
            Status::Unfinished,
            "the script did not finish within --timeout",
        ),
        (Status::Panicked, "the kernel panicked or took an exception"),
        (
            Status::Violation,
            "the kernel saw a violation, such as a stale read",
        ),
        (Status::Reset, "the machine reset itself: a triple fault"),
        (
            Status::Hung,
            "a wait lasted too long, and the kernel's watchdog ended the machine",
        ),
    ];

    /// The process status.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the status means, as in [`Status::TABLE`].
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The table as the last section of `--help`.
    #[must_use]
    pub fn help() -> String {
        let mut text = String::from("Exit status:\n");
        for (status, meaning) in Self::TABLE {
            text.push_str(&format!("  {:>3}  {meaning}\n", status.code()));
        }
        text.push_str("  128+N  kit was ended by signal N");
        text
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status.code())
    }
}

/// Why something could not be done: the status to end with, one sentence, and what the reader can do about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The status `kit` ends with.
    pub status: Status,
    /// One sentence: what failed and why.
    pub message: String,
    /// Further lines: likely causes, commands to run, files to look at.
    pub advice: Vec<String>,
}

impl Failure {
    /// A failure with no advice yet.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            advice: Vec::new(),
        }
    }

    /// Shorthand for a failure of the host ([`Status::Host`]).
    pub fn host(message: impl Into<String>) -> Self {
        Self::new(Status::Host, message)
    }

    /// Adds a line of advice.
    #[must_use]
    pub fn advise(mut self, line: impl Into<String>) -> Self {
        self.advice.push(line.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        self.advice
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Failure {}

/// Turns the error of a system call into a [`Failure`] that says what was being done, and to which file.
pub trait Doing<T> {
    /// `what` is a phrase such as "writing"; the message becomes "writing PATH: ERROR".
    ///
    /// # Errors
    /// The same cases as `self`, with [`Status::Host`].
    fn doing(self, what: &str, path: &Path) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str, path: &Path) -> Result<T, Failure> {
        self.map_err(|error| Failure::host(format!("{what} {}: {}", path.display(), error.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_out_of_order_would_print_the_wrong_meaning() {
        for (number, (status, _)) in Status::TABLE.iter().enumerate() {
            assert_eq!(usize::from(status.code()), number);
        }
    }
}
