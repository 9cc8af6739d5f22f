// lab: 4
// tries: rust-lang/rust issue 129021: a bound that a pointer to a function forgets
// stopped by: rules
// says: pointer to a function
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn stretch(value: &u64) -> &'static u64 {
    let far: fn(_, &u64) -> &'static u64 = near;
    far(&&(), value)
}

fn near<'a, T>(_: &'a T, value: &'a u64) -> &'a u64 {
    value
}
