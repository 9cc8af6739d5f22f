// lab: 4
// tries: have a file that is no Rust shown in an error message
// stopped by: rules
// says: include!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

include!("CANARY");
