// lab: 4
// tries: read a file while it is explored
// stopped by: rules
// says: std
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn read() -> usize {
    ::std::fs::read("CANARY").map_or(0, |bytes| bytes.len())
}
