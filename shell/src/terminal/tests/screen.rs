//! A terminal as strict as a real one, to see what the editor's output looks like.

use alloc::string::String;
use alloc::vec::Vec;

/// Rows of cells. A character in the last column leaves the cursor there until the next one wraps,
/// as on a VT100. Anything it does not know is a panic: the editor must not send it.
pub struct Screen {
    columns: usize,
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    wrap_due: bool,
}

impl Screen {
    pub fn new(columns: usize) -> Self {
        Screen {
            columns,
            rows: Vec::new(),
            row: 0,
            column: 0,
            wrap_due: false,
        }
    }

    /// Everything on it, row after row, without gaps at the ends of rows.
    pub fn text(&self) -> String {
        self.rows.iter().flatten().collect()
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let text = core::str::from_utf8(bytes).expect("the editor writes UTF-8");
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\x1b' => self.sequence(&mut characters),
                '\r' => self.go(self.row, 0),
                '\n' => self.go(self.row + 1, self.column),
                '\x08' => self.go(self.row, self.column - 1),
                '\x07' => {}
                _ => self.print(character),
            }
        }
    }

    fn go(&mut self, row: usize, column: usize) {
        assert!(
            column < self.columns,
            "moved to column {column} of {}",
            self.columns
        );
        (self.row, self.column, self.wrap_due) = (row, column, false);
    }

    fn print(&mut self, character: char) {
        assert!(character >= ' ', "control character {character:?}");
        if self.wrap_due {
            self.go(self.row + 1, 0);
        }
        if self.rows.len() <= self.row {
            self.rows.resize(self.row + 1, Vec::new());
        }
        let row = &mut self.rows[self.row];
        if row.len() <= self.column {
            row.resize(self.column + 1, ' ');
        }
        row[self.column] = character;
        if self.column + 1 == self.columns {
            self.wrap_due = true;
        } else {
            self.column += 1;
        }
    }

    fn sequence(&mut self, characters: &mut core::str::Chars<'_>) {
        assert_eq!(characters.next(), Some('['));
        let mut count = 0;
        let last = loop {
            let character = characters.next().expect("a whole sequence");
            match character.to_digit(10) {
                Some(digit) => count = count * 10 + digit as usize,
                None => break character,
            }
        };
        match last {
            'A' => self.go(self.row - count, self.column),
            'B' => self.go(self.row + count, self.column),
            'C' => self.go(self.row, self.column + count),
            'D' => self.go(self.row, self.column - count),
            'J' => {
                self.rows.truncate(self.row + 1);
                if let Some(row) = self.rows.get_mut(self.row) {
                    row.truncate(self.column);
                }
            }
            other => panic!("unknown sequence that ends in {other:?}"),
        }
    }
}
