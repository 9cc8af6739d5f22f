// lab: 4
// tries: the same without a nested reference
// stopped by: rules
// says: two named lifetimes
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Both<'a, 'b: 'a>(&'a (), core::marker::PhantomData<&'b ()>);

pub fn stretch<'a, 'b, T>(_: Both<'a, 'b>, value: &'b T) -> &'a T {
    value
}
