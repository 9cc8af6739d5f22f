// lab: 4
// tries: hide `unsafe` in the argument of a macro in a macro
// stopped by: rules
// says: unsafe
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn poke() {
    assert!(matches!(Some(unsafe { *(8 as *const u8) }), Some(0)));
}
