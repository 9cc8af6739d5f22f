// lab: 4
// tries: remember calls where the explorer cannot see it
// stopped by: rules
// says: static
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

static CALLS: [u32; 1] = [0];
