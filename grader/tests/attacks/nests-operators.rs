// lab: 4
// tries: end the program that reads it: operators
// stopped by: rules
// says: deep
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const A: i8 =
    // times 60000: --
    1;
