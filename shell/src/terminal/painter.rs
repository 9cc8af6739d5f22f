//! Bringing the real screen in step with the canvas.

use super::Tty;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What the screen shows of the line, and where its cursor is. It begins at the left margin of
/// whatever row the cursor was on, and never needs to know which.
#[derive(Debug)]
pub(super) struct Painter {
    shown: Vec<char>,
    cursor: usize,
    /// Characters in a row; `usize::MAX` if it never wraps.
    columns: usize,
}

impl Painter {
    /// For a screen of `columns` characters, 0 for one that never wraps.
    pub fn new(columns: usize) -> Self {
        let columns = if columns == 0 { usize::MAX } else { columns };
        Painter {
            shown: Vec::new(),
            cursor: 0,
            columns,
        }
    }

    /// Starts afresh: the cursor is at the left margin, and nothing of the line is shown.
    pub fn restart(&mut self) {
        self.shown.clear();
        self.cursor = 0;
    }

    /// Makes the screen show `cells` with the cursor at `cursor`, in one write.
    pub fn paint(&mut self, tty: &mut dyn Tty, cells: &[char], cursor: usize, bell: bool) {
        let mut out = String::new();
        let same = self
            .shown
            .iter()
            .zip(cells)
            .take_while(|(old, new)| old == new)
            .count();
        if same < self.shown.len() || same < cells.len() {
            self.go(same, &mut out);
            let fresh = cells.get(same..).unwrap_or_default();
            fresh
                .iter()
                .for_each(|&character| self.print(character, &mut out));
            if self.shown.len() > cells.len() {
                out.push_str("\x1b[J");
            }
            self.shown.truncate(same);
            self.shown.extend_from_slice(fresh);
        }
        self.go(cursor.min(self.shown.len()), &mut out);
        if bell {
            out.push('\x07');
        }
        if !out.is_empty() {
            tty.write(out.as_bytes());
        }
    }

    /// Moves to the row below the line.
    pub fn leave(&mut self, tty: &mut dyn Tty) {
        let mut out = String::new();
        self.go(self.shown.len(), &mut out);
        // After a full row the cursor is below it already.
        if self.cursor == 0 || self.cursor.checked_rem(self.columns) != Some(0) {
            out.push_str("\r\n");
        }
        tty.write(out.as_bytes());
        self.restart();
    }

    fn print(&mut self, character: char, out: &mut String) {
        out.push(character);
        self.cursor += 1;
        // Whether a terminal wraps at once, with the next character, or not at all: after this
        // its cursor is at the start of the next row.
        if self.cursor.checked_rem(self.columns) == Some(0) {
            out.push_str("\r\n");
        }
    }

    /// Moves the cursor to cell `to` of the line.
    fn go(&mut self, to: usize, out: &mut String) {
        let place = |cell: usize| {
            (
                cell.checked_div(self.columns).unwrap_or(0),
                cell.checked_rem(self.columns).unwrap_or(0),
            )
        };
        let ((row, column), (to_row, to_column)) = (place(self.cursor), place(to));
        step(out, row, to_row, 'A', 'B');
        if to_column == 0 && column != 0 {
            out.push('\r');
        } else if to_column < column && column - to_column <= 4 {
            out.extend(core::iter::repeat_n('\x08', column - to_column));
        } else {
            step(out, column, to_column, 'D', 'C');
        }
        self.cursor = to;
    }
}

/// Moves along one axis: towards lower numbers by `back`, towards higher ones by `forth`.
fn step(out: &mut String, from: usize, to: usize, back: char, forth: char) {
    let letter = if to < from { back } else { forth };
    match from.abs_diff(to) {
        0 => {}
        distance => out.push_str(&format!("\x1b[{distance}{letter}")),
    }
}
