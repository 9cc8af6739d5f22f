// lab: 4
// tries: reach what is refused by a glob
// stopped by: rules
// says: all of `core`
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

use core::*;

pub struct Student(cell::Cell<u32>);
