//! Input that nobody typed.

use super::*;

/// Every line but the last is noise; the last must be understood all the same.
fn survives(noise: &[u8]) {
    let mut typed = noise.to_vec();
    // Ctrl-C ends whatever the noise began, as a person would.
    typed.extend(b"\x03cpus\r");
    let mut tty = FakeTty::typing(&typed);
    let mut system = FakeSystem::new();
    crate::interactive(&mut tty, &mut system, PLAIN, &mut Memory::new());
    assert_eq!(
        system.lines().last(),
        Some(&"cpus"),
        "after {:x?}",
        tail(noise)
    );
    assert!(tty.input.is_empty());
    let shown = String::from_utf8(tty.shown).expect("the shell writes UTF-8");
    assert!(shown.ends_with("tlb> \r\n"), "{:?}", tail(shown.as_bytes()));
}

fn tail(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(80)..]
}

#[test]
fn every_byte_alone_and_after_every_start_of_a_sequence_is_survived() {
    for start in [
        &b""[..],
        b"\x1b",
        b"\x1b[",
        b"\x1b[1",
        b"\x1b[1;",
        b"\x1b[?",
        b"\x1bO",
        b"\xc3",
        b"\xf0\x9f",
    ] {
        for byte in 0..=u8::MAX {
            let mut noise = start.to_vec();
            noise.push(byte);
            survives(&noise);
        }
    }
}

#[test]
fn cursor_reports_from_outside_do_not_reach_noline() {
    for report in [
        &b"\x1b[0;0R"[..],
        b"\x1b[R",
        b"\x1b[;R",
        b"\x1b[1R",
        b"\x1b[99999999999999999999999;1R",
    ] {
        assert_eq!(
            lines(&[b"ab", report, b"c\r"].concat()),
            ["abc"],
            "{report:x?}"
        );
    }
}

#[test]
fn a_flood_of_escapes_is_survived() {
    survives(&alloc::vec![0x1b; 100_000]);
    survives(&b"\x1b[".repeat(50_000));
    survives(&b"\x1b[1;1R".repeat(20_000));
    survives(&b"\x1b[9".repeat(30_000));
    survives(&alloc::vec![0x04; 10_000]);
    survives(&b"sh\t\t".repeat(10_000));
}

#[test]
fn two_hundred_thousand_random_bytes_are_survived() {
    let mut random = Random(0x00c0_ffee);
    for _ in 0..40 {
        let noise: Vec<u8> = (0..5_000).map(|_| random.next() as u8).collect();
        survives(&noise);
    }
}

#[test]
fn random_pieces_of_what_terminals_send_are_survived() {
    const PIECES: [&[u8]; 24] = [
        b"\x1b",
        b"[",
        b"O",
        b"A",
        b"B",
        b";",
        b"1",
        b"~",
        b"R",
        b"\r",
        b"\n",
        b"\t",
        b"\x01",
        b"\x04",
        b"\x0b",
        b"\x0c",
        b"\x14",
        b"\x15",
        b"\x17",
        b"\x7f",
        b"x ",
        b"shoot ",
        b"\xf0\x9f\x98\x80",
        b"\xe2",
    ];
    let mut random = Random(0xbad_c0de);
    for _ in 0..30 {
        let noise: Vec<u8> = (0..5_000)
            .flat_map(|_| PIECES[random.below(PIECES.len())].iter().copied())
            .collect();
        survives(&noise);
    }
}

#[test]
fn a_line_after_noise_is_the_line_that_was_typed() {
    let mut random = Random(7);
    for _ in 0..500 {
        let mut typed: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
        typed.extend(b"\recho clean\r");
        let last = read_all(&typed).pop();
        assert_eq!(
            last,
            Some(Input::Line("echo clean".to_string())),
            "{typed:x?}"
        );
    }
}
