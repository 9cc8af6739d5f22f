// lab: 4
// tries: have the compiler read a file into a message
// stopped by: rules
// says: include_str!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const SECRET: &str = include_str!("CANARY");

pub fn tell() {
    panic!("{SECRET}")
}
