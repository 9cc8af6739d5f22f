// lab: 4
// tries: the same, without the compiler's own objection
// stopped by: limit
// says: CPU time
#![no_std]
#![forbid(unsafe_code)]
#![allow(long_running_const_eval)]

use lab::four::*;

pub struct Student;

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
