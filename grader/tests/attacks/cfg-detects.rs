// lab: 4
// tries: be another solution in the explorer than in the kernel
// stopped by: rules
// says: cfg
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[cfg(debug_assertions)]
pub struct Student;

#[cfg(not(debug_assertions))]
pub struct Student;
