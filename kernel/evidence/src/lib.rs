//! What a run leaves behind: the events that the kernel records, how they are written down, and
//! what they prove.
//!
//! The kernel records, and draws its own `trace` from the records; the host reads them from the
//! evidence channel and judges them. Both use this crate, so there is one table of [`Event`]s.
//!
//! | module | what it does |
//! |---|---|
//! | [`frame`] | the channel's format: writes records, reads them back |
//! | [`timeline`] | puts the CPUs' records in order, and finds the shootdowns in them |
//! | [`lanes`] | draws a shootdown as text, a lane for each CPU |
//! | [`readings`] | tells reads through dead translations from those that are merely late |
//! | [`judge`] | holds the records against the invariants of a shootdown |
//!
//! # Before and after
//! A CPU records a store, a send, a wait or an invalidation's beginning just *before* it, and a
//! load, an executed INVLPG or CR3 load just *after* it. So where one CPU's store let another go
//! on, the first's record is earlier than the other's next: time stamps of different CPUs can be
//! compared for that, and for nothing finer.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod event;
pub mod frame;
pub mod judge;
pub mod lanes;
mod place;
pub mod readings;
mod record;
pub mod timeline;

pub use event::{Event, Kind};
pub use frame::{Defect, Encoder, Evidence, Header, Key, decode};
pub use place::{Place, Purpose};
pub use record::{Range, Record};
pub use timeline::Timeline;
