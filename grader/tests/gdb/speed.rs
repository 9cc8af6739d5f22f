//! How fast the stub is, against what its port can do in the same run.

use std::time::{Duration, Instant};

use crate::peer::{Machine, Peer};

/// How much is read.
const BYTES: usize = 64 << 10;
/// In pieces of this size, as gdb does with the packet size that it is offered.
const PIECE: usize = 4 << 10;

/// The least of several runs: what the host does besides only makes it slower.
fn least(work: impl FnMut() -> Duration) -> Duration {
    std::iter::repeat_with(work).take(5).min().unwrap()
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The time a step takes, thread 2's.
fn step(peer: &mut Peer) -> Duration {
    least(|| {
        timed(|| {
            for _ in 0..100 {
                let stop = peer.ask("vCont;s:p1.2");
                assert!(stop.starts_with("T05"), "{stop}");
            }
        }) / 100
    })
}

#[test]
fn a_stub_that_is_slower_than_its_port() {
    let mut machine = Machine::boot("kernel");
    machine.type_line("storm rounds=100000000");
    let mut peer = machine.connect();
    peer.greet();
    let raw = least(|| {
        timed(|| {
            for _ in 0..BYTES / PIECE {
                assert_eq!(
                    peer.ask(&format!("qkit.Fill:{:x}", 2 * PIECE)).len(),
                    2 * PIECE
                );
            }
        })
    });
    let read = least(|| {
        timed(|| {
            for piece in 0..BYTES / PIECE {
                let address = 0xffff_ffff_8020_0000_u64 + (piece * PIECE) as u64;
                let answer = peer.ask(&format!("m{address:x},{PIECE:x}"));
                assert!(!answer.starts_with('E'), "{answer}");
            }
        })
    });
    let ratio = read.as_secs_f64() / raw.as_secs_f64();
    println!("64 KiB: {read:?}, over the bare port {raw:?}: {ratio:.2} times");
    assert!(
        ratio <= 1.5,
        "reading takes {ratio:.2} times as long as its bytes do"
    );

    let round_trip = least(|| {
        timed(|| {
            for _ in 0..100 {
                assert_eq!(peer.ask("qAttached"), "1");
            }
        }) / 100
    });
    let kernel = step(&mut peer);
    peer.ask("D;1");
    let mut other = Machine::boot("qemu");
    other.type_line("storm rounds=100000000");
    let mut peer = other.connect();
    peer.greet();
    let qemu = step(&mut peer);
    println!(
        "a step: {kernel:?}, a round trip {round_trip:?}; steps a second against QEMU's own stub: {:.2}",
        qemu.as_secs_f64() / kernel.as_secs_f64()
    );
    // A step is a question, the stop of every CPU by NMI, and an answer with four registers.
    let few = 4;
    assert!(
        kernel <= 2 * few * round_trip,
        "a step takes {kernel:?}, {few} round trips {:?}",
        few * round_trip
    );
}
