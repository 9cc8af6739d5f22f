// lab: 4
// tries: bury the report under error messages
// stopped by: limit
// says: output
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

// times 6000: pub fn f{n}() -> u32 { true }
