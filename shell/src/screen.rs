//! A screen of character cells, and what has to be sent for a terminal to show it.
//!
//! A serial line is slow: at 9600 baud it takes two seconds for a screen of 80 by 24. So only what
//! changed is sent, at most a given number of bytes a frame; the rest comes with later frames.

mod live;
#[cfg(test)]
mod tests;

pub use live::{Pace, ROWS, live, print};

use crate::report::Style;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

/// One character and how it is set off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cell {
    character: u8,
    style: Option<Style>,
}

const BLANK: Cell = Cell {
    character: b' ',
    style: None,
};

/// Rows of cells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Screen {
    columns: usize,
    cells: Vec<Cell>,
}

impl Screen {
    /// A blank one. A screen has at least one cell.
    pub fn new(columns: usize, rows: usize) -> Screen {
        let columns = columns.max(1);
        Screen {
            columns,
            cells: vec![BLANK; columns * rows.max(1)],
        }
    }

    /// How many characters a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }

    /// Makes it blank.
    pub fn clear(&mut self) {
        self.cells.fill(BLANK);
    }

    /// Puts `text` at a place; what lies outside is left out, and a character that is not printable
    /// ASCII becomes `?`. Returns the column behind it.
    pub fn put(&mut self, row: usize, column: usize, text: &str, style: Option<Style>) -> usize {
        let rows = self.rows();
        let mut place = column;
        for character in text.chars() {
            let byte = u8::try_from(character).ok();
            let printable = byte.filter(|byte| (b' '..=b'~').contains(byte));
            if row < rows && place < self.columns {
                self.cells[row * self.columns + place] = Cell {
                    character: printable.unwrap_or(b'?'),
                    style,
                };
            }
            place += 1;
        }
        place
    }

    /// Each row as text, without the blanks at its end.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        (0..self.rows()).map(|row| {
            let text = self.row(row).iter().map(|cell| char::from(cell.character));
            text.collect::<String>().trim_end().to_string()
        })
    }

    fn row(&self, row: usize) -> &[Cell] {
        &self.cells[row * self.columns..(row + 1) * self.columns]
    }
}

/// What a terminal shows, and how to make it show something else.
#[derive(Debug)]
pub struct Painter {
    shown: Screen,
    colour: bool,
    /// The row that the next frame begins with.
    next: usize,
}

/// How many unchanged characters are sent again rather than skipped: fewer than moving takes.
const BRIDGE: usize = 6;

impl Painter {
    /// For a terminal with room for `columns` by `rows`, which is blank.
    pub fn new(columns: usize, rows: usize, colour: bool) -> Painter {
        Painter {
            shown: Screen::new(columns, rows),
            colour,
            next: 0,
        }
    }

    /// What makes the terminal show `wanted`, or a part of it that takes about `budget` bytes: a row
    /// that was begun is finished. Empty if it shows it already. Rows take turns to come first, so
    /// all of them are shown in time.
    ///
    /// # Panics
    /// If `wanted` has another size.
    pub fn paint(&mut self, wanted: &Screen, budget: usize) -> Vec<u8> {
        assert_eq!(self.shown.cells.len(), wanted.cells.len(), "one size");
        let (mut bytes, rows) = (Vec::new(), wanted.rows());
        for number in 0..rows {
            let row = (self.next + number) % rows;
            if bytes.len() >= budget {
                self.next = row;
                return bytes;
            }
            self.paint_row(row, wanted, &mut bytes);
        }
        bytes
    }

    fn paint_row(&mut self, row: usize, wanted: &Screen, bytes: &mut Vec<u8>) {
        let columns = wanted.columns;
        let (old, new) = (self.shown.row(row), wanted.row(row));
        let differs = |column: usize| column < columns && old[column] != new[column];
        let (mut column, mut style) = (0, None);
        while column < columns {
            if !differs(column) {
                column += 1;
                continue;
            }
            bytes.extend(format!("\x1b[{};{}H", row + 1, column + 1).into_bytes());
            while column < columns && (column..column + BRIDGE).any(differs) {
                self.set_style(&mut style, new[column].style, bytes);
                bytes.push(new[column].character);
                column += 1;
            }
        }
        self.set_style(&mut style, None, bytes);
        let range = row * columns..(row + 1) * columns;
        self.shown.cells[range.clone()].copy_from_slice(&wanted.cells[range]);
    }

    fn set_style(&self, now: &mut Option<Style>, wanted: Option<Style>, bytes: &mut Vec<u8>) {
        if !self.colour || *now == wanted {
            return;
        }
        if now.is_some() {
            bytes.extend(b"\x1b[0m");
        }
        bytes.extend(wanted.map_or("", Style::sequence).as_bytes());
        *now = wanted;
    }
}
