// lab: 4
// tries: a type that lies at multiples of half a gigabyte
// stopped by: rules
// says: repr
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[repr(align(536870912))]
pub struct Far(u8);
