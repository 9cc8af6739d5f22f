// lab: 4
// tries: share memory that is not the machine's
// stopped by: rules
// says: core::sync
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

use core::sync::atomic::AtomicU32;

pub struct Student(AtomicU32);
