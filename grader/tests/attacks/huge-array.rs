// lab: 4
// tries: an array as large as memory
// stopped by: rules
// says: elements
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const SIZE: usize = 1 << 40;

pub fn fill() -> u8 {
    [0u8; SIZE][7]
}
