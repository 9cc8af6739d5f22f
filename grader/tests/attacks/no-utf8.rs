// lab: 4
// tries: bytes that are no text
// stopped by: rules
// says: UTF-8
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

// {BYTES}
pub struct Student;
