//! Finding packets.

use crate::fake::packet;
use crate::framer::{CAPACITY, Event, Framer};
use std::boxed::Box;
use std::format;
use std::vec::Vec;

fn events(bytes: &[u8]) -> Vec<Event> {
    let mut framer = Box::new(Framer::new());
    bytes.iter().filter_map(|&byte| framer.push(byte)).collect()
}

#[test]
fn noise_before_a_packet_that_hides_it() {
    let mut bytes = b"\0\xff+++#00garbage".to_vec();
    bytes.extend(packet("g"));
    assert_eq!(events(&bytes), [Event::Packet]);
}

#[test]
fn half_a_packet_that_swallows_the_next() {
    let mut bytes = b"$m1000,2".to_vec();
    bytes.extend(packet("g"));
    bytes.extend(b"$g#6");
    bytes.extend(packet("?"));
    assert_eq!(events(&bytes), [Event::Packet, Event::Packet]);
}

#[test]
fn half_a_packet_that_swallows_ctrl_c() {
    assert_eq!(events(b"$m1000,\x03"), [Event::Interrupt]);
    // In binary data it is none.
    let data = packet("X1000,1:\u{3}");
    assert_eq!(events(&data), [Event::Packet]);
}

#[test]
fn a_wrong_checksum_taken_for_right() {
    for wrong in ["$g#68", "$g#zz", "$g#6\0"] {
        assert_eq!(events(wrong.as_bytes()), [Event::Corrupt], "{wrong}");
    }
    assert_eq!(events(b"$g#67"), [Event::Packet]);
}

#[test]
fn a_packet_without_end_that_overruns_the_buffer() {
    let longest = "m".repeat(CAPACITY);
    assert_eq!(events(&packet(&longest)), [Event::Packet]);
    let mut bytes = packet(&format!("{longest}m"));
    bytes.extend(packet("g"));
    assert_eq!(events(&bytes), [Event::TooLong, Event::Packet]);
}
