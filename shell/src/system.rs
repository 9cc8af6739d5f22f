//! What the shell needs of the system it commands.

use crate::notice::Notice;
use crate::observation::Observation;
use crate::parse::Invocation;
use crate::report::Output;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use shootdown::CpuSet;

/// A family of names that only the running system knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameKind {
    /// Shootdown protocols, as `proto` takes them.
    Protocol,
    /// Ring-3 programs, as `run` takes them.
    Program,
    /// Benchmarks, as `bench` takes them.
    Bench,
    /// Self-tests, as `selftest` takes them.
    Selftest,
    /// Identifiers of the address spaces that exist, in decimal.
    Space,
}

impl NameKind {
    /// What one such name is called in a message.
    pub const fn noun(self) -> &'static str {
        match self {
            NameKind::Protocol => "protocol",
            NameKind::Program => "program",
            NameKind::Bench => "benchmark",
            NameKind::Selftest => "self-test",
            NameKind::Space => "address space",
        }
    }
}

/// The system behind the prompt: the kernel, or a fake in a test.
pub trait System {
    /// Carries out one command and puts what there is to say into `output`.
    ///
    /// Every CPU in `invocation` was online and every name known when the line was parsed.
    /// `output` may hold a part of the result when the call fails: it is shown before the error.
    ///
    /// # Errors
    /// [`Failure`], with the state of the system as the command's documentation says.
    fn execute(&mut self, invocation: &Invocation, output: &mut Output<'_>) -> Result<(), Failure>;

    /// Every name of `kind`, in the order in which they are to be listed.
    fn names(&self, kind: NameKind) -> Vec<String>;

    /// The CPUs that there are, those that are stopped included.
    fn online(&self) -> CpuSet;

    /// How many violations (a stale read after a shootdown returned, for one) were seen since boot.
    fn violations(&self) -> u64;

    /// Takes what was seen since the last call, in the order in which it was seen.
    fn observations(&mut self) -> Vec<Observation>;

    /// Takes what has happened that a person is to be told of at once.
    fn notices(&self) -> Vec<Notice> {
        Vec::new()
    }

    /// Lets `violations` of those seen pass for expected: whoever ends the machine without the
    /// shell, as `quit` does, judges by the others.
    fn excuse(&mut self, violations: u64);
}

/// Why a command did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What is wrong, in one line without a full stop.
    pub message: String,
    /// What would have been right, if that can be said.
    pub expected: Option<String>,
    /// What to try instead: a near name, a command.
    pub hint: Option<String>,
    /// The command's usage line: set by the parser, when the words and not the machine are at fault.
    pub usage: Option<String>,
}

impl Failure {
    /// A failure that `message` explains.
    pub fn new(message: impl fmt::Display) -> Self {
        Failure {
            message: message.to_string(),
            expected: None,
            hint: None,
            usage: None,
        }
    }

    /// The same, with what would have been right.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    /// The same, with what to try instead.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The same, with the usage line of the command at fault.
    #[must_use]
    pub fn usage(mut self, usage: impl fmt::Display) -> Self {
        self.usage = Some(usage.to_string());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Failure {}
