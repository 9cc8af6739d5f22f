// lab: 4
// tries: tell the explorer from the kernel by an address
// stopped by: rules
// says: address
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn tell<M: Machine>(m: &M) {
    panic!("{m:p}")
}
