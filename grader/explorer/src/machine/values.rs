//! The values that words have held, numbered: a state holds the numbers.

use crate::calls::{exhausted, unknown};
use std::collections::HashMap;

/// The values that words have held, numbered.
#[derive(Clone, Default)]
pub(super) struct Values {
    all: Vec<u64>,
    numbers: HashMap<u64, u16>,
    /// Whether a value that is new ends the step.
    pub(super) frozen: bool,
}

impl Values {
    pub(super) fn number(&mut self, value: u64) -> u16 {
        *self.numbers.entry(value).or_insert_with(|| {
            if self.frozen {
                unknown();
            }
            let number = u16::try_from(self.all.len()).unwrap_or_else(|_| exhausted());
            self.all.push(value);
            number
        })
    }

    pub(super) fn of(&self, number: u16) -> u64 {
        self.all[usize::from(number)]
    }
}
