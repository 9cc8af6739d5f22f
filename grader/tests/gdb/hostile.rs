//! Peers on the debugger's port that are no gdb. The machine goes on, and so can gdb.

use crate::peer::{Machine, packet};

#[test]
fn garbage_that_stops_the_machine() {
    let mut machine = Machine::boot("kernel");
    let mut peer = machine.connect();
    let garbage: Vec<u8> = (0..5000_u32)
        .map(|n| ((n * 7919) >> 3) as u8 | 0x80)
        .collect();
    for bytes in [
        &garbage[..],
        b"+++---\x03\x03$$$###",
        b"$g#00$?#ff$vCont;c#zz",
        b"$m0,",
        &[b'$'; 3000],
        &b"$"
            .iter()
            .chain(&[b'a'; 40_000])
            .copied()
            .collect::<Vec<_>>(),
        b"#00",
    ] {
        peer.send(bytes);
    }
    machine.goes_on("unimpressed");
    drop(peer);
    let mut gdb = machine.connect();
    gdb.greet();
    assert!(
        gdb.ask("?").starts_with("T05thread:"),
        "the next peer is served"
    );
    assert_eq!(gdb.ask("D;1"), "OK");
    machine.goes_on("released");
}

#[test]
fn questions_beyond_all_bounds_that_end_the_stub() {
    let mut machine = Machine::boot("kernel");
    let mut peer = machine.connect();
    peer.greet();
    for ask in [
        "mffffffffffffffff,ffffffffffffffff",
        "m0,1",
        "m800000000000,8",
        "mffffffff80200000,2000",
        "M0,1:00",
        "Z0,0,1",
        "Z0,ffffffffffffffff,1",
        "Z2,ffffffffffffffff,8",
        "P10=ffffffffffff0000",
        "P10=0000000000000001",
        "Hgp1.40",
        "vCont;s:p1.40;x",
        "qkit.Probe:0,ffffffffffffff08",
        "qkit.Probe:3f,0",
    ] {
        peer.ask(ask);
        assert_eq!(peer.ask("qAttached"), "1", "after {ask}");
    }
    assert_eq!(peer.ask("D;1"), "OK");
    machine.goes_on("unharmed");
}

#[test]
fn a_peer_that_goes_without_a_word_and_leaves_the_machine_stopped_for_good() {
    let mut machine = Machine::boot("kernel");
    let mut peer = machine.connect();
    peer.greet();
    assert_eq!(peer.ask("Z0,ffffffff80240000,1"), "OK");
    drop(peer);
    // It is the next one's to have it run.
    let mut next = machine.connect();
    next.greet();
    next.send(&packet("vCont;c"));
    machine.goes_on("running");
    next.send(&[3]);
    assert!(next.answer().starts_with("T02thread:"));
    assert_eq!(next.ask("D;1"), "OK");
    machine.goes_on("again");
}

#[test]
fn a_kill_that_leaves_the_machine() {
    let mut machine = Machine::boot("kernel");
    let mut peer = machine.connect();
    peer.greet();
    assert_eq!(peer.ask("vKill;1"), "OK");
    assert_eq!(
        machine.status(),
        Some(1),
        "the shell was left with a failure"
    );
}

#[test]
fn ctrl_c_lost_on_the_heels_of_continue() {
    let mut machine = Machine::boot("kernel");
    // Nobody sleeps: each step ends.
    machine.type_line("storm rounds=100000000");
    let mut peer = machine.connect();
    peer.greet();
    peer.ask("?");
    for round in 0..1000 {
        // CPU 1 leads, then: another than the one that the port interrupts.
        peer.send(&packet("vCont;s:p1.2;c"));
        assert!(peer.answer().contains("thread:p01.02"), "round {round}");
        peer.send(&packet("vCont;c"));
        peer.send(b"\x03");
        assert!(peer.answer().starts_with("T02"), "round {round}");
    }
    assert_eq!(peer.ask("D;1"), "OK");
}
