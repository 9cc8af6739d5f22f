// lab: 4
// tries: rust-lang/rust issue 100051: a bound that an impl takes from a type which is then another
// stopped by: rules
// says: two named lifetimes
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub trait Same {
    type Out;
}

impl<T> Same for T {
    type Out = ();
}

pub trait Stretch<'a, 'b> {
    fn stretch(self, value: &'a u64) -> &'b u64;
}

impl<'a, 'b> Stretch<'a, 'b> for <&'b &'a () as Same>::Out {
    fn stretch(self, value: &'a u64) -> &'b u64 {
        value
    }
}
