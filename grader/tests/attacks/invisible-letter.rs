// lab: 4
// tries: two names that look the same
// stopped by: rules
// says: U+200B
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn ask() {}
pub fn ask{U+200B}() {}
