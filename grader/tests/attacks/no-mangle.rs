// lab: 4
// tries: be called in place of a function of the kernel
// stopped by: rules
// says: unsafe
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[unsafe(no_mangle)]
pub fn memcpy() {}
