// lab: 4
// tries: be the explorer's own main
// stopped by: rules
// says: export_name
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[export_name = "main"]
pub fn begin() {}
