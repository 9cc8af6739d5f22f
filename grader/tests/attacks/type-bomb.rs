// lab: 4
// tries: a type that is four times as large at each of sixteen steps
// stopped by: limit
// says: compiling the solution takes too much
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Student;

type N1<T> = (T, T, T, T);
type N2<T> = N1<N1<N1<N1<T>>>>;
type N3<T> = N2<N2<N2<N2<T>>>>;

pub fn size(all: N3<u8>) -> N3<u8> {
    all
}
