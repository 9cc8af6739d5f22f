//! gdb on the booted machine: the real one, in batch and through MI, and peers that are none.

mod common;

#[path = "gdb/batch.rs"]
mod batch;
#[path = "gdb/hostile.rs"]
mod hostile;
#[path = "gdb/mi.rs"]
mod mi;
#[path = "gdb/peer.rs"]
mod peer;
#[path = "gdb/readme.rs"]
mod readme;
#[path = "gdb/session.rs"]
mod session;
#[path = "gdb/stopped.rs"]
mod stopped;
