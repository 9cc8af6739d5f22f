// lab: 4
// tries: a constant that does not fit into memory, where no rule can see its size
// stopped by: limit
// says: memory
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const fn size() -> usize {
    1 << 31
}

const fn filled() -> [u8; size()] {
    let mut all = [0; size()];
    all[1] = 1;
    all
}

pub const SUM: u8 = filled()[1];
