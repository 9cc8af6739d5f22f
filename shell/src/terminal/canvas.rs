//! The terminal that noline sees.

use super::utf8::Utf8;
use alloc::string::String;
use alloc::vec::Vec;

/// How far to the right the canvas goes: noline asks for column 999 and measures where it came.
pub(super) const WIDTH: usize = 999;

/// A terminal of one row, wide enough for the prompt and any line, so that noline never wraps or
/// scrolls.
#[derive(Default, Debug)]
pub(super) struct Canvas {
    cells: Vec<char>,
    cursor: usize,
    saved: usize,
    bell: bool,
    asked: bool,
    state: State,
    utf8: Utf8,
}

#[derive(Clone, Copy, Default, Debug)]
enum State {
    #[default]
    Ground,
    Escape,
    /// After ESC [: the parameter being read.
    Sequence(usize),
}

impl Canvas {
    /// Draws what noline writes.
    pub fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.byte(byte));
    }

    /// Everything on it.
    pub fn cells(&self) -> &[char] {
        &self.cells
    }

    /// The cell under the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The characters from cell `from` to before cell `to`.
    pub fn text(&self, from: usize, to: usize) -> String {
        self.cells.iter().take(to).skip(from).collect()
    }

    /// Bytes of the characters from cell `from` on.
    pub fn bytes_from(&self, from: usize) -> usize {
        self.cells
            .iter()
            .skip(from)
            .map(|character| character.len_utf8())
            .sum()
    }

    /// Whether the bell rang since the last call.
    pub fn take_bell(&mut self) -> bool {
        core::mem::take(&mut self.bell)
    }

    /// Whether the cursor's position was asked for since the last call.
    pub fn take_query(&mut self) -> bool {
        core::mem::take(&mut self.asked)
    }

    fn byte(&mut self, byte: u8) {
        match (self.state, byte) {
            (_, 0x1b) => self.state = State::Escape,
            (State::Ground, b'\r') => self.cursor = 0,
            // Only the end of a line moves down here, and nothing is drawn after it.
            (State::Ground, b'\n') => {}
            (State::Ground, 0x07) => self.bell = true,
            (State::Ground, _) => {
                if let Some(character) = self.utf8.feed(byte) {
                    self.print(character);
                }
            }
            (State::Escape, b'[') => self.state = State::Sequence(0),
            (State::Escape, _) => {
                match byte {
                    b'7' => self.saved = self.cursor,
                    b'8' => self.cursor = self.saved,
                    _ => {}
                }
                self.state = State::Ground;
            }
            (State::Sequence(value), b'0'..=b'9') => {
                let digit = usize::from(byte - b'0');
                self.state = State::Sequence(value.saturating_mul(10).saturating_add(digit));
            }
            // The row comes first and is always the only one.
            (State::Sequence(_), b';') => self.state = State::Sequence(0),
            (State::Sequence(value), _) => {
                self.sequence(byte, value);
                self.state = State::Ground;
            }
        }
    }

    fn sequence(&mut self, last: u8, value: usize) {
        match last {
            b'H' => self.cursor = value.clamp(1, WIDTH) - 1,
            b'J' => self.cells.truncate(self.cursor),
            b'n' => self.asked = true,
            _ => {}
        }
    }

    fn print(&mut self, character: char) {
        if self.cursor >= WIDTH {
            return;
        }
        if self.cells.len() <= self.cursor {
            self.cells.resize(self.cursor + 1, ' ');
        }
        if let Some(cell) = self.cells.get_mut(self.cursor) {
            *cell = character;
        }
        self.cursor += 1;
    }
}
