// lab: 4
// tries: rust-lang/rust issue 84366: a closure that lives for ever and gives what does not
// stopped by: rules
// says: a trait of one's own
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub trait Gives {
    type Given;
}

impl<R, F: Fn() -> R> Gives for F {
    type Given = R;
}

pub trait Stays {
    fn stay(self) -> &'static u64
    where
        Self: 'static;
}

impl<'a> Stays for &'a u64 {
    fn stay(self) -> &'static u64
    where
        Self: 'static,
    {
        self
    }
}

fn keep<F: Gives + 'static>(_: &F, given: F::Given) -> &'static u64
where
    F::Given: Stays,
{
    given.stay()
}

pub fn stretch<'a>(value: &'a u64) -> &'static u64 {
    let gives = || -> &'a u64 { panic!() };
    keep(&gives, value)
}
