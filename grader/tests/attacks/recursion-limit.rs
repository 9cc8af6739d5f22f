// lab: 4
// tries: lift the limits that end a recursion in the compiler
// stopped by: rules
// says: recursion_limit
#![recursion_limit = "1000000000"]
#![type_length_limit = "1000000000"]
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Student;
