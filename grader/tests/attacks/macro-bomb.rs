// lab: 4
// tries: a macro that doubles what it is given, for ever
// stopped by: rules
// says: macro_rules
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

macro_rules! bomb {
    ($($t:tt)*) => { bomb!($($t)* $($t)*); };
}

bomb!(x);
