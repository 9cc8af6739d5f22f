// lab: 4
// tries: read otherwise to people than to the compiler
// stopped by: rules
// says: U+202E
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

// The initiator waits.{U+202E} return; {U+2066}
pub struct Student;
