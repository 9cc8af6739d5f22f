//! Writing frames: without allocation, in any context.

use super::varint::{self, zigzag};
use super::{HEADER, Header, Key, MAC, MAX_FRAME, MAX_NAME, NO_A, NO_B, RECORDS, TOTALS, VERSION};
use crate::Record;
use shootdown::CpuId;

/// What COBS makes of the longest frame, and the zero after it.
const MAX_ENCODED: usize = MAX_FRAME + MAX_FRAME / 254 + 2;
/// The most that a record takes: its event and three numbers.
const MAX_RECORD: usize = 1 + 3 * varint::MAX;

/// Writes one run's frames, in order. One for a run, and one caller at a time.
///
/// Each method hands the frames that it finishes to `sink`, a frame at a time, ready to go out.
/// Nothing here allocates, waits or panics.
pub struct Encoder {
    key: Key,
    sequence: u64,
    frame: [u8; MAX_FRAME],
    /// How much of `frame` is written; 0 when none is open.
    length: usize,
    /// What the next record must be to go into the open frame, and the last one's TSC.
    next: Option<Next>,
}

#[derive(Clone, Copy)]
struct Next {
    cpu: CpuId,
    number: u64,
    tsc: u64,
}

impl Encoder {
    /// For a run with that key; nothing is written yet.
    pub const fn new(key: Key) -> Encoder {
        Encoder {
            key,
            sequence: 0,
            frame: [0; MAX_FRAME],
            length: 0,
            next: None,
        }
    }

    /// Writes the first frame. A name longer than [`MAX_NAME`] is cut.
    pub fn header(&mut self, header: &Header<&str>, sink: &mut impl FnMut(&[u8])) {
        self.flush(sink);
        self.open(HEADER);
        self.bytes(&[VERSION, header.cpus]);
        self.number(header.tsc_khz);
        self.number(header.seed);
        for name in [header.protocol, header.apic, header.mode] {
            let name = &name[..name.floor_char_boundary(MAX_NAME)];
            self.bytes(&[name.len() as u8]);
            self.bytes(name.as_bytes());
        }
        self.close(sink);
    }

    /// Writes a record, which may wait for others in an open frame: [`flush`](Encoder::flush).
    /// The records of one CPU come in the order of their numbers.
    pub fn record(&mut self, record: &Record, sink: &mut impl FnMut(&[u8])) {
        let follows = self
            .next
            .is_some_and(|next| next.cpu == record.cpu && next.number == record.number);
        if !follows || self.length + MAX_RECORD + MAC > MAX_FRAME {
            self.flush(sink);
            self.open(RECORDS);
            self.bytes(&[record.cpu.index() as u8]);
            self.number(record.number);
            self.number(record.tsc);
        }
        let before = self.next.map_or(record.tsc, |next| next.tsc);
        let left_out = [(record.a, NO_A), (record.b, NO_B)]
            .into_iter()
            .filter(|&(operand, _)| operand == 0)
            .fold(0, |bits, (_, bit)| bits | bit);
        self.bytes(&[record.event.code() | left_out]);
        self.number(zigzag(record.tsc.wrapping_sub(before) as i64));
        for operand in [record.a, record.b] {
            if operand != 0 {
                self.number(operand);
            }
        }
        self.next = Some(Next {
            cpu: record.cpu,
            number: record.number + 1,
            tsc: record.tsc,
        });
    }

    /// Writes the records that wait in an open frame, if any do.
    pub fn flush(&mut self, sink: &mut impl FnMut(&[u8])) {
        if self.length != 0 {
            self.close(sink);
        }
    }

    /// Writes the last frame: how many records CPU 0, 1 and so on have begun. At most 64.
    pub fn totals(
        &mut self,
        begun: impl ExactSizeIterator<Item = u64>,
        sink: &mut impl FnMut(&[u8]),
    ) {
        self.flush(sink);
        self.open(TOTALS);
        self.number(begun.len() as u64);
        begun.for_each(|total| self.number(total));
        self.close(sink);
    }

    fn open(&mut self, kind: u8) {
        self.bytes(&[kind]);
        self.number(self.sequence);
    }

    fn close(&mut self, sink: &mut impl FnMut(&[u8])) {
        let mac = self.key.mac(&self.frame[..self.length]);
        self.bytes(&mac);
        let mut encoded = [0; MAX_ENCODED];
        let length = cobs::encode(&self.frame[..self.length], &mut encoded);
        // COBS ends a frame by what it never holds.
        encoded[length] = 0;
        sink(&encoded[..=length]);
        self.sequence += 1;
        self.length = 0;
        self.next = None;
    }

    fn number(&mut self, value: u64) {
        let mut buffer = [0; varint::MAX];
        let length = varint::put(&mut buffer, value);
        self.bytes(&buffer[..length]);
    }

    /// Appends; what would go beyond the longest frame is dropped, which no caller lets happen.
    fn bytes(&mut self, bytes: &[u8]) {
        let room = &mut self.frame[self.length..];
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        self.length += length;
    }
}
