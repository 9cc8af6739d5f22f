//! What may befall a stream of frames, one thing at a time.

use super::*;
use crate::{Defect, Event, Kind, Place, Purpose, Record, decode};
use shootdown::{CpuId, Point};
use std::string::String;
use std::vec::Vec;

pub const KEY: Key = Key::from_bytes(*b"0123456789abcdef");

pub fn header() -> Header<&'static str> {
    Header {
        cpus: 3,
        tsc_khz: 1_000_000,
        seed: 7,
        protocol: "scoreboard",
        apic: "x2apic",
        mode: "plain",
    }
}

fn cpu(index: usize) -> CpuId {
    CpuId::new(index).unwrap()
}

fn place() -> u64 {
    let place = Place {
        purpose: Purpose::Slot,
        target: CpuId::new(2),
        initiator: CpuId::new(63),
    };
    place.packed()
}

/// As many records of each of three CPUs; operands of every size, time that also runs backward.
pub fn records(each: u64) -> Vec<Record> {
    let mut records = Vec::new();
    for index in 0..3 {
        for number in 0..each {
            let events: [(Event, u64, u64); 4] = [
                (Kind::Begin.into(), 0x40_0002, 0x40_1001),
                (Point::Acknowledge.into(), place(), 9),
                (Kind::FlushGlobal.into(), 0, 0),
                (Kind::Invlpg.into(), u64::MAX - 4095, 0),
            ];
            let (event, a, b) = events[number as usize % 4];
            records.push(Record {
                cpu: cpu(index),
                number,
                tsc: 1_000_000 + (number ^ 1) * 300,
                event,
                a,
                b,
            });
        }
    }
    records
}

/// The frames of a run, each by itself.
pub fn frames(records: &[Record]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut sink = |frame: &[u8]| frames.push(frame.to_vec());
    let mut encoder = Encoder::new(KEY);
    encoder.header(&header(), &mut sink);
    records
        .iter()
        .for_each(|record| encoder.record(record, &mut sink));
    let begun = (0..3).map(|index| {
        records
            .iter()
            .filter(|record| record.cpu == cpu(index))
            .count() as u64
    });
    encoder.totals(begun, &mut sink);
    frames
}

fn defects(frames: &[Vec<u8>]) -> Vec<Defect> {
    decode(&frames.concat(), Some(&KEY)).defects
}

#[test]
fn a_record_that_reads_back_as_another() {
    let records = records(500);
    let frames = frames(&records);
    assert!(frames.len() > 6);
    assert!(frames.iter().all(|frame| frame.len() <= MAX_FRAME + 8));
    let evidence = decode(&frames.concat(), Some(&KEY));
    assert_eq!(evidence.defects, []);
    assert!(evidence.is_sound());
    assert_eq!(evidence.records, records);
    assert_eq!(evidence.totals.as_deref(), Some(&[500, 500, 500][..]));
    let read = evidence.header.unwrap();
    assert_eq!(
        (read.cpus, read.tsc_khz, read.seed, read.protocol.as_str()),
        (3, 1_000_000, 7, "scoreboard")
    );
}

#[test]
fn a_record_that_takes_more_than_a_dozen_bytes() {
    let records = records(500);
    let length: usize = frames(&records).iter().map(Vec::len).sum();
    assert!(length < records.len() * 12, "{length}");
}

#[test]
fn a_name_too_long_for_its_frame() {
    let mut bytes = Vec::new();
    let long: String = std::iter::repeat_n('é', 40).collect();
    let header = Header {
        protocol: long.as_str(),
        ..header()
    };
    Encoder::new(KEY).header(&header, &mut |frame| bytes.extend_from_slice(frame));
    let protocol = decode(&bytes, Some(&KEY)).header.unwrap().protocol;
    assert_eq!(protocol, "é".repeat(15));
}

#[test]
fn totals_of_the_most_cpus_that_do_not_fit() {
    let mut bytes = Vec::new();
    let mut sink = |frame: &[u8]| bytes.extend_from_slice(frame);
    Encoder::new(KEY).totals([u64::MAX; 64].into_iter(), &mut sink);
    assert_eq!(
        decode(&bytes, Some(&KEY)).totals,
        Some([u64::MAX; 64].into())
    );
}

#[test]
fn a_lost_frame_that_is_not_missed() {
    let mut frames = frames(&records(500));
    frames.remove(2);
    let defects = defects(&frames);
    assert_eq!(defects[0], Defect::Missing { from: 2, to: 2 });
    assert!(matches!(defects[1], Defect::Lost { cpu, .. } if cpu == CpuId::BOOT));
    assert_eq!(defects.len(), 2);
}

#[test]
fn a_lost_end_that_is_not_missed() {
    let mut frames = frames(&records(500));
    frames.pop();
    assert_eq!(defects(&frames), [Defect::Truncated]);
    // Cut within a frame: that frame is damaged besides.
    frames.last_mut().unwrap().pop();
    let defects = defects(&frames);
    assert!(matches!(defects[0], Defect::Damaged { .. }), "{defects:?}");
    assert!(defects.contains(&Defect::Truncated));
}

#[test]
fn a_frame_of_another_key_taken_for_the_kernels() {
    let records = records(500);
    let bytes = frames(&records).concat();
    let evidence = decode(&bytes, Some(&Key::from_bytes([0; 16])));
    assert!(evidence.records.is_empty() && evidence.header.is_none());
    assert!(matches!(evidence.defects[0], Defect::Forged { offset: 0 }));
    // Without a key it is read, but not sound.
    let unverified = decode(&bytes, None);
    assert_eq!(unverified.records, records);
    assert!(unverified.defects.is_empty() && !unverified.is_sound());
}

#[test]
fn a_doubled_or_moved_frame_that_is_not_noticed() {
    let original = frames(&records(500));
    let mut doubled = original.clone();
    doubled.insert(4, original[2].clone());
    let found = defects(&doubled);
    assert!(
        matches!(found[..], [Defect::Duplicate { sequence: 2, .. }]),
        "{found:?}"
    );
    let mut moved = original.clone();
    moved.swap(2, 3);
    let found = defects(&moved);
    assert!(
        matches!(found[..], [Defect::Reordered { sequence: 2, .. }]),
        "{found:?}"
    );
    let mut late = original;
    let last = late.pop().unwrap();
    late.insert(1, last);
    assert!(!defects(&late).is_empty());
}

#[test]
fn records_that_were_overwritten_and_not_missed() {
    let mut some = records(20);
    some.drain(25..30);
    some.drain(..3);
    let mut bytes = Vec::new();
    let mut sink = |frame: &[u8]| bytes.extend_from_slice(frame);
    let mut encoder = Encoder::new(KEY);
    encoder.header(&header(), &mut sink);
    some.iter()
        .for_each(|record| encoder.record(record, &mut sink));
    encoder.totals([20, 20, 25].into_iter(), &mut sink);
    let lost = |index, from, to| Defect::Lost {
        cpu: cpu(index),
        from,
        to,
    };
    assert_eq!(
        decode(&bytes, Some(&KEY)).defects,
        [lost(0, 0, 2), lost(1, 5, 9), lost(2, 20, 24)]
    );
}

#[test]
fn frames_of_two_streams_taken_for_one() {
    let stream = frames(&records(50));
    let found = defects(&[stream.clone(), stream].concat());
    let duplicates = found
        .iter()
        .filter(|defect| matches!(defect, Defect::Duplicate { .. }));
    assert_eq!(duplicates.count(), 5);
}
