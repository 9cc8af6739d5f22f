// lab: 4
// tries: make a pointer of a number
// stopped by: rules
// says: raw pointer
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn poke(address: usize) -> *mut u32 {
    address as *mut u32
}
