// lab: 4
// tries: keep a count in a function
// stopped by: rules
// says: static
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn calls() -> u32 {
    static CALLS: [u32; 1] = [0];
    CALLS[0]
}
