//! The history: noline's, but for lines not worth keeping.

use alloc::string::{String, ToString};
use noline::history::{CircularSlice, History, SliceHistory};

/// The newest lines that fit; no blank ones, and none twice in a row.
pub(super) struct Recent<'a> {
    lines: SliceHistory<'a>,
    newest: String,
}

impl<'a> Recent<'a> {
    /// An empty history in `bytes`, which are zero.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Recent {
            lines: SliceHistory::new(bytes),
            newest: String::new(),
        }
    }
}

impl History for Recent<'_> {
    fn get_entry(&self, index: usize) -> Option<CircularSlice<'_>> {
        self.lines.get_entry(index)
    }

    fn add_entry<'e>(&mut self, entry: &'e str) -> Result<(), &'e str> {
        if entry.trim().is_empty() || entry == self.newest {
            return Err(entry);
        }
        self.lines.add_entry(entry)?;
        self.newest = entry.to_string();
        Ok(())
    }

    fn number_of_entries(&self) -> usize {
        self.lines.number_of_entries()
    }
}
