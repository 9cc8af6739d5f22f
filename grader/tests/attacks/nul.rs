// lab: 4
// tries: end the source early for those who read up to a zero
// stopped by: rules
// says: U+0000
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

// Nothing follows.{U+0000}
pub struct Student;
