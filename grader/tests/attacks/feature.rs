// lab: 4
// tries: switch on what the language keeps back
// stopped by: rules
// says: the attribute `feature`
#![feature(core_intrinsics)]
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Student;
