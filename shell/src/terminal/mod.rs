//! The line editor: noline, between two adapters that trust neither side of it.
//!
//! `Keys` turns the bytes of any terminal, or of none, into keys, and only well-formed keys reach
//! noline: its parser panics on short or huge cursor reports and takes its input to be UTF-8
//! unchecked. noline draws on a `Canvas`, a terminal of one endless row that answers its cursor
//! queries truthfully. What the canvas shows is the line being edited, so completion reads it there,
//! and the `Painter` brings the real screen in step with relative movements only. A line typed
//! straight through causes no escape sequence at all, which is why dumb pipes work.

mod canvas;
mod history;
mod keys;
mod painter;
mod reader;
#[cfg(test)]
mod tests;
mod utf8;

use crate::parse::LINE_LIMIT;
use crate::report::Sink;
use alloc::vec;
use alloc::vec::Vec;
use canvas::Canvas;
use keys::{Key, Keys};
use painter::Painter;
pub use reader::{Input, LineReader};

/// Bytes of history kept: the newest lines that fit.
const HISTORY_BYTES: usize = 4096;

/// What [`Tty::read`] returns when the system has [`notices`](crate::System::notices). No key
/// sends it.
pub const NUDGE: u8 = 0;

/// A terminal, or whatever stands for one.
pub trait Tty: Sink {
    /// The next byte, or [`NUDGE`], waited for; `None` when there will never be another.
    fn read(&mut self) -> Option<u8>;
}

/// The room in which a line is edited and the history is kept.
pub struct Memory {
    line: Vec<u8>,
    history: Vec<u8>,
}

impl Memory {
    /// Fresh memory: no history yet.
    pub fn new() -> Self {
        Memory::with_history(HISTORY_BYTES)
    }

    fn with_history(bytes: usize) -> Self {
        Memory {
            line: vec![0; LINE_LIMIT],
            history: vec![0; bytes],
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Memory::new()
    }
}
