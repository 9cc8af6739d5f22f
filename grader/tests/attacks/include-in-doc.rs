// lab: 4
// tries: have the compiler read a file into documentation
// stopped by: rules
// says: include_str!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[doc = include_str!("CANARY")]
pub struct Student;
