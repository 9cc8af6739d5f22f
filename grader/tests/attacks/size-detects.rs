// lab: 4
// tries: tell the explorer from the kernel by the size of the machine
// stopped by: rules
// says: size_of
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn explored<M: Machine>() -> bool {
    size_of::<M>() > 0
}
