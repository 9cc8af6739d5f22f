//! Lines from kit itself. They go to standard error, so that standard output is the machine's alone.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Prints one line that begins `kit: `. Output errors are ignored: there is nobody left to tell.
pub fn line(text: impl Display) {
    let _ = writeln!(io::stderr(), "kit: {text}");
}

/// As [`line()`], dim on a terminal: for what matters only to who looks for it.
pub fn dim(text: impl Display) {
    if io::stderr().is_terminal() && colour_allowed() {
        let _ = writeln!(io::stderr(), "\x1b[2mkit: {text}\x1b[0m");
    } else {
        line(text);
    }
}

/// Whether the environment allows colours at all: `NO_COLOR` unset and the terminal not dumb.
#[must_use]
pub fn colour_allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
