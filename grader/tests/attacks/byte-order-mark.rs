// lab: 4
// tries: a mark of byte order in the middle, which nobody sees
// stopped by: rules
// says: U+FEFF
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub const A{U+FEFF}: u8 = 1;
