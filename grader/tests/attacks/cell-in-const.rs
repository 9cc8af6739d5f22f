// lab: 4
// tries: keep a count in a constant
// stopped by: rules
// says: core::cell
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const CALLS: &core::cell::Cell<u32> = &core::cell::Cell::new(0);
