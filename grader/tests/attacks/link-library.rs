// lab: 4
// tries: link another library
// stopped by: rules
// says: link
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[link(name = "c")]
unsafe extern "C" {}
