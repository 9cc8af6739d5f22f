// lab: 4
// tries: leave out what is asked for
// stopped by: compiler
// says: Student
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Nobody;
