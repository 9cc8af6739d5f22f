// lab: 4
// tries: put instructions beside the functions
// stopped by: rules
// says: global_asm!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

core::arch::global_asm!(".globl main", "main:", "ret");
