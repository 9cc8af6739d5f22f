// lab: 4
// tries: get the standard library back
// stopped by: rules
// says: extern
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

extern crate std;

pub fn leave() {
    std::process::exit(0)
}
