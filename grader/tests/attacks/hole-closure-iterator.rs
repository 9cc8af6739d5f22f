// lab: 4
// tries: the same without a trait of its own, by an iterator
// stopped by: rules
// says: a lifetime as a bound
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

use core::iter;
use core::ops::DerefMut;

fn keep<I: Iterator + 'static>(_: &I, item: I::Item) -> impl DerefMut<Target = u64> + 'static
where
    I::Item: DerefMut<Target = u64>,
{
    item
}

pub fn write_behind_the_stack(value: u64) {
    let mut kept;
    {
        let mut gone = 1;
        let gone = &mut gone;
        let gives = iter::from_fn(|| if false { None } else { panic!() });
        kept = keep(&gives, gone);
    }
    *kept = value;
}
