// lab: 4
// tries: an implementation that needs itself for a larger type
// stopped by: compiler
// says: overflow
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Student;

pub struct Wrapped<T>(T);

impl<T> Clone for Wrapped<T>
where
    Wrapped<Wrapped<T>>: Clone,
{
    fn clone(&self) -> Self {
        panic!()
    }
}

pub fn copy(all: &Wrapped<u8>) -> Wrapped<u8> {
    all.clone()
}
