// lab: 4
// tries: fill the disk with what is compiled
// stopped by: limit
// says: disk
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const fn size() -> usize {
    200 << 20
}

pub const ALL: &[u8; size()] = &[7; size()];

pub fn at(index: usize) -> u8 {
    ALL[index]
}
