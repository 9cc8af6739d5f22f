//! System calls, by `int 0x80`.

use alloc::string::{String, ToString};
use hw::entry::Frame;

/// How a ring-3 thread ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It called `exit` with this status.
    Exited(i64),
    /// It raised an exception.
    Faulted {
        /// What the exception was, in words.
        cause: String,
        /// Where.
        rip: u64,
    },
}

/// Serves the system call whose frame this is. With interrupts off.
pub fn handle(frame: &mut Frame) {
    frame.rax = u64::MAX;
}

/// Ends the running ring-3 thread, which raised an exception.
pub fn fault(frame: &Frame) -> ! {
    let cause = crate::panic::Cause(frame).to_string();
    crate::thread::exit_user(Outcome::Faulted { cause, rip: frame.rip })
}
