// lab: 4
// tries: rust-lang/rust issue 57893: an object type that is two types
// stopped by: rules
// says: dyn
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub trait Object {
    type Output;
}

pub fn turn(object: &dyn Object<Output = u8>) {
    let _ = object;
}
