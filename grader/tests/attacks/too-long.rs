// lab: 4
// tries: two megabytes of source
// stopped by: rules
// says: longer than
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

// times 50000: pub const A{n}: u8 = 1; // ........................
