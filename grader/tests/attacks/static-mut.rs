// lab: 4
// tries: keep a count that everybody changes
// stopped by: rules
// says: static
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

static mut CALLS: u32 = 0;
