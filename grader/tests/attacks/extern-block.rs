// lab: 4
// tries: call the C library of the explorer
// stopped by: rules
// says: extern
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

extern "C" {
    fn system(command: *const i8) -> i32;
}
