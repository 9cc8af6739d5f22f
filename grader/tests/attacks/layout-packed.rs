// lab: 4
// tries: read fields where they do not lie
// stopped by: rules
// says: repr
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[repr(C, packed)]
pub struct Close(u8, u64);
