//! From a line to an [`Invocation`]: words, values, and the table's rules.

mod bind;
mod check;
mod number;
mod rules;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use bind::{scan, too_long};
pub(crate) use check::{check, check_name};
pub use number::{NotNumber, number};
pub(crate) use value::{Quoted, cpu_set, nearest};
pub(crate) use words::{Token, tokens};

use crate::commands::{Action, Command, Request};
use crate::system::{Failure, System};
use alloc::string::String;

/// The option that every command takes anywhere on the line.
pub const JSON: &str = "--json";

/// The longest line, in bytes. A longer one is refused whole.
pub const LINE_LIMIT: usize = 512;

/// A line that names a command of the system and passed every check that the table asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct Invocation {
    /// What to do. Match on it: each variant holds its command's typed arguments.
    pub request: Request,
    /// The line as it was typed, without spaces around it.
    pub line: String,
}

/// A line after parsing.
#[derive(Clone, PartialEq, Debug)]
pub struct Parsed {
    /// The command with its arguments.
    pub action: Action,
    /// Whether the answer is to be JSON.
    pub json: bool,
}

/// A line that was refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub failure: Failure,
    /// The command, if that much was understood.
    pub command: Option<&'static Command>,
    /// Whether the answer is to be JSON.
    pub json: bool,
}

/// Parses `line`. A line of nothing but spaces, or a comment (`#`), is `Ok(None)`.
///
/// # Errors
/// [`Refused`], whose failure says what was expected and shows the command's usage.
pub fn parse(line: &str, system: &dyn System) -> Result<Option<Parsed>, Refused> {
    bind::parse(line, system)
}
