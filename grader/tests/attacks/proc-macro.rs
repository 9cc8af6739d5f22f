// lab: 4
// tries: be a procedural macro, which the compiler runs
// stopped by: rules
// says: proc_macro
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[proc_macro]
pub fn evil(input: u8) -> u8 {
    input
}
