// lab: 4
// tries: call a macro that reads files by the name of one that does not
// stopped by: rules
// says: core::include_str
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

use core::include_str as assert;

const SECRET: &str = assert!("CANARY");
