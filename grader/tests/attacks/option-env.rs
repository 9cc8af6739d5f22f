// lab: 4
// tries: decide by the environment that it is compiled in
// stopped by: rules
// says: option_env!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

const GRADED: bool = option_env!("KIT_ATTACK_SECRET").is_some();
