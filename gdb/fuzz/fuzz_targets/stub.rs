//! Whatever comes in on the debugger's port, the stub answers the next good packet.
//!
//! `cargo fuzz run stub -- -max_total_time=600`, in `gdb/`. The first byte says at which of the bytes that
//! follow the machine begins to run, so that both halves of the stub are reached.
#![no_main]

use gdb_stub::fake::Session;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&split, bytes)) = bytes.split_first() else {
        return;
    };
    let (stopped, running) = bytes.split_at(usize::from(split).min(bytes.len()));
    let mut session = Session::new();
    session.hear(stopped, running);
    assert!(session.answers(), "the next good packet was not answered");
});
