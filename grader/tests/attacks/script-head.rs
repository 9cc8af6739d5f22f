// lab: 4
// tries: name a program that is to run the source
// stopped by: rules
// says: names a program
#!/bin/sh -c "cat CANARY"
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Student;
