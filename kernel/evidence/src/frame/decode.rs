//! Reading frames, whatever became of them.

use super::varint::{self, unzigzag};
use super::{HEADER, Header, Key, MAC, MAX_FRAME, MAX_NAME, NO_A, NO_B, RECORDS, TOTALS, VERSION};
use crate::{Event, Record};
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use shootdown::{CpuId, MAX_CPUS};

/// What is wrong with a stream of frames. Offsets are in bytes from its beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Defect {
    /// What stands at `offset` is no frame.
    Damaged {
        /// Where it begins.
        offset: usize,
    },
    /// The frame at `offset` has a wrong MAC: it was damaged, or was not written with this key.
    Forged {
        /// Where it begins.
        offset: usize,
    },
    /// The MAC of the frame at `offset` is right, but not what it says: another version's writer.
    Malformed {
        /// Where it begins.
        offset: usize,
    },
    /// Frames `from` to `to`, both included, are missing.
    Missing {
        /// First sequence number.
        from: u64,
        /// Last sequence number.
        to: u64,
    },
    /// The frame at `offset` was there before.
    Duplicate {
        /// Its sequence number.
        sequence: u64,
        /// Where it stands again.
        offset: usize,
    },
    /// The frame at `offset` stands behind a later one.
    Reordered {
        /// Its sequence number.
        sequence: u64,
        /// Where it stands.
        offset: usize,
    },
    /// The first frame is no header.
    NoHeader,
    /// The header at `offset` is not the first frame.
    SecondHeader {
        /// Where it begins.
        offset: usize,
    },
    /// The stream ends without totals: its end is missing.
    Truncated,
    /// The frame at `offset` follows the totals.
    AfterEnd {
        /// Where it begins.
        offset: usize,
    },
    /// A CPU's records `from` to `to`, both included, are missing.
    Lost {
        /// Whose.
        cpu: CpuId,
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
    },
    /// A CPU's record is there twice.
    Repeated {
        /// Whose.
        cpu: CpuId,
        /// Its number.
        number: u64,
    },
    /// A CPU has more records than the totals say, or is none of theirs.
    Unaccounted {
        /// Whose.
        cpu: CpuId,
        /// The highest number that it has.
        number: u64,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Damaged { offset } => write!(f, "damaged: no frame at byte {offset}"),
            Defect::Forged { offset } => write!(
                f,
                "forged or damaged: the MAC of the frame at byte {offset} is wrong"
            ),
            Defect::Malformed { offset } => {
                write!(f, "the frame at byte {offset} is of another format")
            }
            Defect::Missing { from, to } if from == to => write!(f, "frame {from} is missing"),
            Defect::Missing { from, to } => write!(f, "frames {from} to {to} are missing"),
            Defect::Duplicate { sequence, offset } => {
                write!(f, "frame {sequence} is there again, at byte {offset}")
            }
            Defect::Reordered { sequence, offset } => {
                write!(f, "frame {sequence}, at byte {offset}, is out of order")
            }
            Defect::NoHeader => f.write_str("there is no header"),
            Defect::SecondHeader { offset } => write!(f, "a second header at byte {offset}"),
            Defect::Truncated => f.write_str("truncated: the totals at its end are missing"),
            Defect::AfterEnd { offset } => {
                write!(f, "the frame at byte {offset} follows the end")
            }
            Defect::Lost { cpu, from, to } if from == to => {
                write!(f, "CPU {cpu}: record {from} is lost")
            }
            Defect::Lost { cpu, from, to } => {
                write!(f, "CPU {cpu}: records {from} to {to} are lost")
            }
            Defect::Repeated { cpu, number } => {
                write!(f, "CPU {cpu}: record {number} is there twice")
            }
            Defect::Unaccounted { cpu, number } => {
                write!(f, "CPU {cpu}: record {number} is not in the totals")
            }
        }
    }
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// What the run was.
    pub header: Option<Header<String>>,
    /// The records, a CPU's after another's, each CPU's by their numbers.
    pub records: Vec<Record>,
    /// How many records each CPU began.
    pub totals: Option<Vec<u64>>,
    /// All that is wrong with it.
    pub defects: Vec<Defect>,
    /// Whether the frames' MACs were checked.
    pub verified: bool,
}

impl Evidence {
    /// Whether it is whole and was checked: nothing can be missing from it, or be forged.
    pub fn is_sound(&self) -> bool {
        self.verified && self.defects.is_empty()
    }
}

/// Reads a stream of frames: everything in it that is what it should be, and what is not.
///
/// Frames count only if `key` makes their MAC; without a key they are taken for what they say.
pub fn decode(bytes: &[u8], key: Option<&Key>) -> Evidence {
    let mut reader = Reader::default();
    let mut offset = 0;
    let mut buffer = vec![0; MAX_FRAME];
    for piece in bytes.split_inclusive(|&byte| byte == 0) {
        reader.piece(offset, piece, key, &mut buffer);
        offset += piece.len();
    }
    reader.finish(key.is_some())
}

#[derive(Default)]
struct Reader {
    header: Option<Header<String>>,
    records: BTreeMap<(CpuId, u64), Record>,
    totals: Option<Vec<u64>>,
    seen: BTreeSet<u64>,
    defects: Vec<Defect>,
}

impl Reader {
    fn piece(&mut self, offset: usize, piece: &[u8], key: Option<&Key>, buffer: &mut [u8]) {
        let [encoded @ .., 0] = piece else {
            return self.defects.push(Defect::Damaged { offset });
        };
        // A frame that decodes to no more than the buffer is never longer than this.
        let decoded = match encoded.len() {
            0 => None,
            length if length > MAX_FRAME + MAX_FRAME / 254 + 1 => None,
            _ => cobs::decode(encoded, buffer).ok(),
        };
        let Some((body, mac)) = decoded.and_then(|length| buffer[..length].split_last_chunk())
        else {
            return self.defects.push(Defect::Damaged { offset });
        };
        let mac: &[u8; MAC] = mac;
        if key.is_some_and(|key| key.mac(body) != *mac) {
            return self.defects.push(Defect::Forged { offset });
        }
        if self.frame(offset, body).is_none() {
            self.defects.push(Defect::Malformed { offset });
        }
    }

    /// `None` if it is malformed.
    fn frame(&mut self, offset: usize, body: &[u8]) -> Option<()> {
        let (&kind, mut rest) = body.split_first()?;
        let sequence = varint::take(&mut rest)?;
        if !self.seen.insert(sequence) {
            self.defects.push(Defect::Duplicate { sequence, offset });
            return Some(());
        }
        if self.seen.last() != Some(&sequence) {
            self.defects.push(Defect::Reordered { sequence, offset });
        } else if self.totals.is_some() {
            self.defects.push(Defect::AfterEnd { offset });
        }
        match kind {
            HEADER => {
                let header = header(rest)?;
                if self.header.is_some() || sequence != 0 {
                    self.defects.push(Defect::SecondHeader { offset });
                }
                self.header.get_or_insert(header);
            }
            RECORDS => self.keep(records(rest)?),
            TOTALS => self.totals = Some(totals(rest)?),
            _ => return None,
        }
        Some(())
    }

    fn keep(&mut self, records: Vec<Record>) {
        for record in records {
            let place = (record.cpu, record.number);
            if self.records.insert(place, record).is_some() {
                self.defects.push(Defect::Repeated {
                    cpu: record.cpu,
                    number: record.number,
                });
            }
        }
    }

    fn finish(mut self, verified: bool) -> Evidence {
        if self.header.is_none() {
            self.defects.push(Defect::NoHeader);
        }
        let mut expected = 0;
        for &sequence in &self.seen {
            if sequence != expected {
                self.defects.push(Defect::Missing {
                    from: expected,
                    to: sequence - 1,
                });
            }
            expected = sequence.saturating_add(1);
        }
        if self.totals.is_none() {
            self.defects.push(Defect::Truncated);
        }
        self.count();
        Evidence {
            header: self.header,
            records: self.records.into_values().collect(),
            totals: self.totals,
            defects: self.defects,
            verified,
        }
    }

    /// Finds what is lost of each CPU's records.
    fn count(&mut self) {
        let mut next = [0; MAX_CPUS];
        for &(cpu, number) in self.records.keys() {
            let expected = &mut next[cpu.index()];
            if number > *expected {
                self.defects.push(Defect::Lost {
                    cpu,
                    from: *expected,
                    to: number - 1,
                });
            }
            *expected = number.saturating_add(1);
        }
        let Some(totals) = &self.totals else {
            return;
        };
        for (index, next) in next.into_iter().enumerate() {
            let cpu = CpuId::new(index).expect("the array has as many as there are CPUs");
            let total = totals.get(index).copied().unwrap_or(0);
            if next < total {
                self.defects.push(Defect::Lost {
                    cpu,
                    from: next,
                    to: total - 1,
                });
            } else if next > total {
                let number = next - 1;
                self.defects.push(Defect::Unaccounted { cpu, number });
            }
        }
    }
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(byte)
}

fn header(mut rest: &[u8]) -> Option<Header<String>> {
    if byte(&mut rest)? != VERSION {
        return None;
    }
    let header = Header {
        cpus: byte(&mut rest)?,
        tsc_khz: varint::take(&mut rest)?,
        seed: varint::take(&mut rest)?,
        protocol: name(&mut rest)?,
        apic: name(&mut rest)?,
        mode: name(&mut rest)?,
    };
    let cpus = usize::from(header.cpus);
    (rest.is_empty() && (1..=MAX_CPUS).contains(&cpus)).then_some(header)
}

fn name(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::from(byte(bytes)?);
    let (name, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let name = core::str::from_utf8(name).ok()?;
    (length <= MAX_NAME).then(|| name.to_owned())
}

fn records(mut rest: &[u8]) -> Option<Vec<Record>> {
    let cpu = CpuId::new(usize::from(byte(&mut rest)?))?;
    let mut number = varint::take(&mut rest)?;
    let mut tsc = varint::take(&mut rest)?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let code = byte(&mut rest)?;
        let ahead = unzigzag(varint::take(&mut rest)?);
        tsc = tsc.wrapping_add_signed(ahead);
        records.push(Record {
            cpu,
            number,
            tsc,
            event: Event::from_code(code & !(NO_A | NO_B))?,
            a: operand(&mut rest, code & NO_A != 0)?,
            b: operand(&mut rest, code & NO_B != 0)?,
        });
        number = number.checked_add(1)?;
    }
    (!records.is_empty()).then_some(records)
}

fn operand(rest: &mut &[u8], left_out: bool) -> Option<u64> {
    if left_out {
        Some(0)
    } else {
        varint::take(rest).filter(|&operand| operand != 0)
    }
}

fn totals(mut rest: &[u8]) -> Option<Vec<u64>> {
    let cpus = varint::take(&mut rest)?;
    let totals: Option<Vec<u64>> = (0..cpus.min(65)).map(|_| varint::take(&mut rest)).collect();
    totals.filter(|totals| rest.is_empty() && totals.len() <= MAX_CPUS)
}
