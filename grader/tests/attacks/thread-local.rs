// lab: 4
// tries: keep a count for each thread of the explorer
// stopped by: rules
// says: thread_local!
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

::std::thread_local! {
    static CALLS: u32 = 0;
}
