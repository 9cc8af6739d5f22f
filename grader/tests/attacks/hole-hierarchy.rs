// lab: 4
// tries: rust-lang/rust issue 84591: a bound that is lost on the way to the trait above
// stopped by: rules
// says: `for<…>`
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub trait Below<'a, 'b, R>: Above<'a, 'b> {}

pub trait Above<'a, 'b> {
    fn stretch(value: &'a u64) -> &'b u64;
}

pub fn lose<S>(value: &u64) -> &'static u64
where
    S: for<'a, 'b> Below<'a, 'b, &'b &'a ()>,
{
    above::<S>(value)
}

fn above<S>(value: &u64) -> &'static u64
where
    S: for<'a, 'b> Above<'a, 'b>,
{
    S::stretch(value)
}
