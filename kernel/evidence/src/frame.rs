//! How records are written down, and read back: the format of the evidence channel, version 1.
//!
//! The channel is a stream of *frames*. A frame is encoded by [COBS], so that it holds no zero
//! byte, and followed by one zero byte: who reads can always find the next frame, whatever became
//! of this one. Decoded it is
//!
//! | part | bytes | |
//! |---|---|---|
//! | type | 1 | 1 header, 2 records, 3 totals |
//! | sequence | varint | the frame's number in the stream, from 0 |
//! | payload | | by type |
//! | MAC | 8 | SipHash-2-4 of all before it under the run's key, little-endian |
//!
//! A *varint* is seven bits a byte, lowest first, bit 7 set but in the last byte, as short as it
//! can be. A *name* is a byte of length, at most 31, and as many of UTF-8.
//!
//! | type | payload |
//! |---|---|
//! | header, the first frame | version (1 byte), CPUs (1 byte), kHz of the time-stamp counter or 0 (varint), seed (varint), protocol, local APIC mode, translation mode (names) |
//! | records of one CPU with numbers that follow one another | CPU (1 byte), first number (varint), first TSC (varint), then the records to the frame's end |
//! | totals, the last frame | number of CPUs (varint), how many records each has begun since boot (varints) |
//!
//! | part of a record | |
//! |---|---|
//! | event, 1 byte | [`Event::code`](crate::Event::code) in bits 0–5; bit 6 set: `a` is 0 and left out; bit 7 set: `b` is 0 and left out |
//! | TSC | what it is ahead of the record before, of the frame's first TSC for the first; a varint of the difference d as `d << 1 ^ d >> 63` |
//! | `a`, `b` | varints, if not left out |
//!
//! # What it shows
//! The key is made for each run, and nothing in the machine but the kernel's writer has it. So a
//! frame with a right MAC was written by the kernel in this run. A frame that is missing, doubled
//! or moved shows by its sequence; a missing end by the missing totals; records that were
//! overwritten before they could be written down, by their numbers.
//!
//! [COBS]: https://doi.org/10.1109/90.769765

pub(crate) mod decode;
pub(crate) mod encode;
mod key;
mod varint;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

pub use decode::{Defect, Evidence, decode};
pub use encode::Encoder;
pub use key::Key;

/// The format's version.
pub const VERSION: u8 = 1;
/// The longest frame, decoded, in bytes.
pub const MAX_FRAME: usize = 1024;
/// The longest name, in bytes.
pub const MAX_NAME: usize = 31;

/// The length of a MAC, in bytes.
const MAC: usize = 8;

const HEADER: u8 = 1;
const RECORDS: u8 = 2;
const TOTALS: u8 = 3;

/// In the byte of an event: `a` is left out.
const NO_A: u8 = 1 << 6;
/// In the byte of an event: `b` is left out.
const NO_B: u8 = 1 << 7;

/// What the run was, as the first frame says. `S` is a string, borrowed to be written, owned as it
/// was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header<S> {
    /// How many CPUs there are.
    pub cpus: u8,
    /// Ticks of the time-stamp counter a millisecond; 0 if that is not known.
    pub tsc_khz: u64,
    /// The run's seed.
    pub seed: u64,
    /// The protocol it began with.
    pub protocol: S,
    /// The local APICs' mode.
    pub apic: S,
    /// The mode of address translation.
    pub mode: S,
}
