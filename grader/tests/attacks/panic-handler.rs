// lab: 4
// tries: decide what a panic does
// stopped by: rules
// says: panic_handler
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

#[panic_handler]
fn panicked() -> ! {
    loop {}
}
