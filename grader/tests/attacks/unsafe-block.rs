// lab: 4
// tries: write to any address
// stopped by: rules
// says: unsafe
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Student;

fn poke() {
    unsafe { *(0xfee0_0300 as *mut u32) = 0 }
}
