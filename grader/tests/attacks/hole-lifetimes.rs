// lab: 4
// tries: rust-lang/rust issue 25860: make a borrow live for ever
// stopped by: rules
// says: two named lifetimes
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn stretch<'a, 'b, T>(_: &'a &'b (), value: &'b T) -> &'a T {
    value
}
