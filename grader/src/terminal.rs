//! The person's terminal: raw while the shell has it, as it was however the run ends.

use std::io::{self, IsTerminal};

use rustix::stdio;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};

/// Holding one means standard input is a terminal in raw mode; dropping it gives the terminal back as it was.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Puts the terminal into raw mode, so that every key reaches the machine's shell, Ctrl-C included.
    /// `None` when standard input is not a terminal. What was typed before is kept.
    ///
    /// # Errors
    /// Whatever the terminal refuses.
    pub fn enter() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let mode = Self {
            before: termios::tcgetattr(stdio::stdin())?,
        };
        mode.apply()?;
        Ok(Some(mode))
    }

    /// Raw again, after a stop and continue gave the terminal to somebody else.
    ///
    /// # Errors
    /// Whatever the terminal refuses.
    pub fn apply(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        // Output keeps its newline translation, so that kit's own lines stay straight.
        raw.output_modes = self.before.output_modes;
        debug_assert!(!raw.local_modes.contains(LocalModes::ISIG));
        Ok(termios::tcsetattr(
            stdio::stdin(),
            OptionalActions::Now,
            &raw,
        )?)
    }

    /// As it was before, without giving up the value: for a stop.
    pub fn suspend(&self) {
        let _ = termios::tcsetattr(stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        self.suspend();
    }
}

/// Width in characters of the terminal on standard output, if it is one and knows.
#[must_use]
pub fn columns() -> Option<u16> {
    let size = termios::tcgetwinsize(stdio::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
