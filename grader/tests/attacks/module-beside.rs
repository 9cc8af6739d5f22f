// lab: 4
// tries: take a file that lies beside the solution
// stopped by: rules
// says: mod
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

mod helper;
