// lab: 4
// tries: reach what is refused by another name of the crate
// stopped by: rules
// says: another name
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

use c::cell::Cell;
use core as c;

pub struct Student(Cell<u32>);
