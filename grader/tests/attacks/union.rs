// lab: 4
// tries: read the bits of one type as another
// stopped by: rules
// says: union
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub union Bits {
    number: u64,
    place: &'static u8,
}
