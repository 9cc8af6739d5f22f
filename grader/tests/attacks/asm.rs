// lab: 4
// tries: execute an instruction
// stopped by: rules
// says: asm!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn halt() {
    core::arch::asm!("cli", "hlt");
}
