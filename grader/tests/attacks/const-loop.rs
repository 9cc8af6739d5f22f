// lab: 4
// tries: a constant that is computed for ever
// stopped by: compiler
// says: evaluation
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const fn forever() -> u32 {
    let mut a = 0u32;
    loop {
        a = a.wrapping_add(1);
        if a == 0xffff_ffff {
            a = 0;
        }
    }
}

pub const A: u32 = forever();
