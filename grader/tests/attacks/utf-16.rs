// lab: 4
// tries: a text of two bytes a letter
// stopped by: rules
// says: UTF-8
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

{BYTES}p{U+0000}u{U+0000}b{U+0000}
