// lab: 4
// tries: end the program by an instruction of the compiler
// stopped by: rules
// says: core::intrinsics
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn end() {
    core::intrinsics::abort()
}
