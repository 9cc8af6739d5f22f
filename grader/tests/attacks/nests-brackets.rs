// lab: 4
// tries: end the program that reads it: brackets
// stopped by: rules
// says: deep
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const A: u8 =
// times 40000: (
1
// times 40000: )
;
