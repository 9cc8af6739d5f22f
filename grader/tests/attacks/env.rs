// lab: 4
// tries: have the compiler put the environment into a message
// stopped by: rules
// says: env!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn tell() {
    panic!("{}", format_args!("{}", env!("KIT_ATTACK_SECRET")))
}
