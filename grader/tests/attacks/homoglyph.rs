// lab: 4
// tries: a name that looks like another
// stopped by: rules
// says: ASCII
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Student;
pub struct Stud{U+0435}nt;
