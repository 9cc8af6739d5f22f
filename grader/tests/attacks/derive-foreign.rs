// lab: 4
// tries: run a procedural macro
// stopped by: rules
// says: derive(Evil)
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[derive(Evil)]
pub struct Student;
