//! Peers that mean harm, or are broken. Whatever they send, the next good packet is answered.

use crate::Ending;
use crate::fake::{Session, packet};
use crate::framer::CAPACITY;
use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

/// How many streams the fuzzer tries; `GDB_FUZZ` overrides it. As many take about two seconds,
/// unoptimised.
const STREAMS: usize = 12_000;

/// xorshift64*: reproducible, and enough to reach every branch.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// What a gdb says, for mutants to be made of.
const SAID: [&str; 35] = [
    "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+",
    "QStartNoAckMode",
    "vMustReplyEmpty",
    "Hgp1.2",
    "Hc-1",
    "?",
    "g",
    "G00112233445566778899",
    "p10",
    "P10=0010000000000000",
    "P11=46020000",
    "m1000,40",
    "mffffffffffffffff,2",
    "M1000,4:deadbeef",
    "X1000,4:abcd",
    "Z0,1010,1",
    "z0,1010,1",
    "Z2,1020,8",
    "z2,1020,8",
    "Z1,1030,1",
    "qfThreadInfo",
    "qsThreadInfo",
    "qThreadExtraInfo,p1.2",
    "Tp1.3",
    "qC",
    "qAttached:1",
    "qXfer:features:read:target.xml:0,ffb",
    "qXfer:exec-file:read:1:0,ffb",
    "qOffsets",
    "qRcmd,68656c70",
    "vCont?",
    "qkit.Fill:100",
    "qkit.Probe:1,1000",
    "Qqemu.PhyMemMode:1",
    "vKillx",
];

/// One stream: packets, changed or not, and noise between them.
fn stream(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![];
    for _ in 0..1 + random.below(12) {
        match random.below(8) {
            0 => bytes.extend((0..random.below(40)).map(|_| random.next() as u8)),
            1 => bytes.extend(&packet(SAID[random.below(SAID.len())])[..random.below(6)]),
            kind => bytes.extend(changed(random, kind)),
        }
    }
    bytes
}

/// A packet: as gdb says it, with other bytes, or with other bytes and their right checksum.
fn changed(random: &mut Random, kind: usize) -> Vec<u8> {
    let mut body = SAID[random.below(SAID.len())].as_bytes().to_vec();
    if kind > 3 {
        for _ in 0..1 + random.below(4) {
            let place = random.below(body.len());
            match random.below(4) {
                0 => body[place] = random.next() as u8 & 0x7f,
                1 => body[place] = b"0123456789abcdef,;:-.="[random.below(22)],
                2 => body.truncate(place.max(1)),
                _ => body.insert(place, b'f'),
            }
        }
        body.retain(|byte| !b"#$".contains(byte));
    }
    let mut whole = packet(
        &body
            .iter()
            .copied()
            .map(char::from)
            .collect::<std::string::String>(),
    );
    if kind == 7 {
        let place = random.below(whole.len());
        whole[place] ^= 1;
    }
    whole
}

#[test]
fn streams_that_end_the_stub() {
    let streams = std::env::var("GDB_FUZZ").map_or(STREAMS, |n| n.parse().expect("a number"));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut session = Session::new();
    for number in 0..streams {
        let bytes = stream(&mut random);
        session.hear(&bytes, &stream(&mut random));
        assert!(
            session.answers(),
            "stream {number}: {:?} ended it",
            bytes.escape_ascii().to_string()
        );
    }
}

#[test]
fn lengths_beyond_all_memory() {
    let mut session = Session::greeted();
    for ask in [
        "m1000,ffffffffffffffff",
        "m1000,2001",
        "mfffffffffffffff8,10",
        "M1000,ffffffffffffffff:00",
        "qkit.Fill:ffffffff",
        "qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff",
        "qXfer:exec-file:read:1:ffffffffffffffff,ffffffffffffffff",
        "Z2,fffffffffffffffe,ffffffffffffffff",
        "pffffffffffffffff",
    ] {
        let given = session.ask(&[ask, "qAttached"]);
        assert_eq!(given.last().map(|s| &s[..]), Some("1"), "{ask}: {given:?}");
    }
}

#[test]
fn a_long_packet_that_is_answered_with_silence() {
    let mut session = Session::greeted();
    let long = format!("m{}", "0".repeat(CAPACITY));
    assert_eq!(session.ask(&[&long, "qAttached"]), ["E01", "1"]);
}

#[test]
fn nonsense_that_is_answered_with_silence() {
    let mut session = Session::greeted();
    for ask in ["vCont;x:zz", "vCont;s", "m", "Z9,1,1", "Hgq", "QX", "\u{1}"] {
        let given = session.ask(&[ask, "qAttached"]);
        assert_eq!(given.len(), 2, "{ask}: {given:?}");
        assert_eq!(given[1], "1", "{ask}");
    }
}

#[test]
fn what_was_agreed_forgotten_after_an_error() {
    let mut session = Session::greeted();
    let given = session.ask(&["Hgp1.3", "vCont;x:zz", "P0=0700000000000000", "qC"]);
    assert_eq!(given[2], "OK");
    assert_eq!(session.machine.registers[2][0], 7, "the chosen thread");
    assert!(!session.line.sent.contains(&b'+'), "no acknowledgements");
}

#[test]
fn a_wrong_checksum_that_is_not_asked_for_again() {
    let mut session = Session::new();
    session.line.input.extend(b"$qAttached#00");
    session.line.input.extend(packet("qAttached"));
    session.go(None);
    assert_eq!(session.line.sent, b"-+$1#31");
}

#[test]
fn a_peer_that_asks_for_everything_again_and_again() {
    let mut session = Session::greeted();
    session.line.input.extend([b'-'; 1000]);
    assert_eq!(session.go(None), Ending::Detached);
    assert!(session.line.sent.len() <= 1000 * 8);
}
