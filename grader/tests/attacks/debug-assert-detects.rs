// lab: 4
// tries: tell the explorer from the kernel by what only one of them compiles
// stopped by: rules
// says: debug_assert!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub fn explored() -> bool {
    let mut explored = false;
    debug_assert!({
        explored = true;
        true
    });
    explored
}
