// lab: 4
// tries: clear the terminal of whoever reads the report
// stopped by: rules
// says: U+001B
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

// {U+001B}[2J{U+001B}[H
lab 4: passed
pub struct Student;
