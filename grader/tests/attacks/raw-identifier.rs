// lab: 4
// tries: write a refused name so that it is another word
// stopped by: rules
// says: raw identifier
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

use r#core::cell::Cell;

pub struct Student(Cell<u32>);
