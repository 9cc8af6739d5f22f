// lab: 4
// tries: run before main
// stopped by: rules
// says: link_section
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[link_section = ".init_array"]
pub static BEFORE: fn() = begin;

fn begin() {}
