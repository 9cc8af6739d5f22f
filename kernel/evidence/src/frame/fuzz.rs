//! Seeded fuzzing of the decoder: it never panics, and takes nothing for a record that was not
//! written.

use super::tests::{KEY, frames, records};
use crate::{Record, decode};
use std::collections::HashSet;
use std::vec::Vec;

/// How many streams of each sort are tried.
const ROUNDS: usize = 5_000;

/// Sebastiano Vigna's SplitMix64, with a fixed seed: the same streams every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

struct Written {
    bytes: Vec<u8>,
    records: HashSet<Record>,
}

fn written(each: u64) -> Written {
    let records = records(each);
    Written {
        bytes: frames(&records).concat(),
        records: records.into_iter().collect(),
    }
}

impl Written {
    /// Reads `bytes`, which differ from what was written.
    fn read_changed(&self, bytes: &[u8]) {
        let evidence = decode(bytes, Some(&KEY));
        assert!(!evidence.is_sound(), "a change was not noticed");
        let accepted = evidence.records.iter();
        assert!(
            accepted.clone().all(|record| self.records.contains(record)),
            "a record was taken that nobody wrote"
        );
        // Unchecked it may read nonsense, but reads.
        decode(bytes, None);
    }
}

#[test]
fn a_truncation_that_panics_or_goes_unnoticed() {
    let written = written(40);
    for length in 0..written.bytes.len() {
        written.read_changed(&written.bytes[..length]);
        if length > 0 {
            written.read_changed(&written.bytes[length..]);
        }
    }
}

#[test]
fn a_flipped_bit_that_panics_or_goes_unnoticed() {
    let written = written(40);
    for bit in 0..written.bytes.len() * 8 {
        let mut bytes = written.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        written.read_changed(&bytes);
    }
}

#[test]
fn a_splice_that_panics_or_goes_unnoticed() {
    let written = written(40);
    let mut random = Random(1);
    for _ in 0..ROUNDS {
        let mut bytes = written.bytes.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.insert(at, random.next() as u8),
                2 => drop(bytes.remove(at)),
                _ => {
                    let end = at + random.below(bytes.len() - at);
                    let piece: Vec<u8> = bytes[at..end].to_vec();
                    let to = random.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
        if bytes != written.bytes {
            written.read_changed(&bytes);
        }
    }
}

#[test]
fn garbage_that_panics_or_is_believed() {
    let mut random = Random(2);
    for _ in 0..ROUNDS {
        let length = random.below(600);
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        assert!(decode(&bytes, Some(&KEY)).records.is_empty());
        decode(&bytes, None);
    }
}

#[test]
fn a_well_framed_lie_that_panics() {
    let mut random = Random(3);
    for _ in 0..ROUNDS {
        let length = random.below(80);
        let mut body: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        body.insert(0, random.below(5) as u8);
        body.extend_from_slice(&KEY.mac(&body));
        let mut bytes = std::vec![0; body.len() + 10];
        let length = cobs::encode(&body, &mut bytes);
        decode(&bytes[..=length], Some(&KEY));
    }
}
