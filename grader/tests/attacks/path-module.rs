// lab: 4
// tries: make another file a part of the solution
// stopped by: rules
// says: mod
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[path = "CANARY"]
mod secret;
