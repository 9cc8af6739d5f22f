//! The stub against a machine that is a few arrays, and a peer that need not be gdb.

mod conversation;
mod hostile;
mod packets;
