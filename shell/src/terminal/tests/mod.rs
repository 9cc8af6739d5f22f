//! The editor as a person, a pipe and an enemy meet it.

mod hostile;
mod screen;

use super::{Input, LineReader, Memory};
use crate::fake::{FakeSystem, FakeTty, PLAIN};
use crate::parse::LINE_LIMIT;
use crate::report::Settings;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use screen::Screen;

/// A small generator with a seed (xorshift64*; Vigna 2016), so that a failure can be had again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }
}

/// Everything that `typed` comes to, the end of input left out.
fn read_all(typed: &[u8]) -> Vec<Input> {
    let (mut tty, mut memory) = (FakeTty::typing(typed), Memory::new());
    let mut reader = LineReader::new(&mut memory, Settings::default());
    let mut inputs = Vec::new();
    loop {
        match reader.read(&mut tty, &FakeSystem::new()) {
            Input::End => return inputs,
            input => inputs.push(input),
        }
    }
}

/// The lines that `typed` comes to; nothing else may.
fn lines(typed: &[u8]) -> Vec<String> {
    read_all(typed)
        .into_iter()
        .map(|input| match input {
            Input::Line(line) => line,
            other => panic!("{other:?} from {typed:x?}"),
        })
        .collect()
}

/// What a session shows.
fn session(typed: &[u8], columns: usize) -> String {
    let mut tty = FakeTty::typing(typed);
    let settings = Settings {
        columns,
        crlf: true,
        ..PLAIN
    };
    crate::interactive(
        &mut tty,
        &mut FakeSystem::new(),
        settings,
        &mut Memory::new(),
    );
    tty.text()
}

#[test]
fn cr_lf_and_crlf_each_end_one_line() {
    assert_eq!(lines(b"a\rb\nc\r\nd\r"), ["a", "b", "c", "d"]);
    assert_eq!(lines(b"a\r\n\r\n\n\rb\r"), ["a", "", "", "", "b"]);
}

#[test]
fn a_line_typed_straight_through_shows_no_escape_sequence() {
    let shown = session(b"echo hi\recho there\n", 80);
    assert_eq!(
        shown,
        "tlb> echo hi\r\nhi\r\ntlb> echo there\r\nthere\r\ntlb> \r\n"
    );
}

#[test]
fn the_editing_keys_edit() {
    for (typed, line) in [
        (&b"helo\x1b[Dl\r"[..], "hello"),
        (b"ello\x01h\r", "hello"),
        (b"ello\x1b[Hh\x1b[Fo\r", "helloo"),
        (b"hellox\x7f\r", "hello"),
        (b"hxello\x01\x06\x1b[3~\r", "hello"),
        (b"hello world\x17there\r", "hello there"),
        (b"wrong\x15hello\r", "hello"),
        (
            b"hello world\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x0b\r",
            "hello",
        ),
        (b"ehllo\x01\x06\x14\r", "hello"),
        (
            "h\u{e9}\u{2192}lo\x1b[D\x1b[D\x7f\r".as_bytes(),
            "h\u{e9}lo",
        ),
    ] {
        assert_eq!(lines(typed), [line], "{typed:x?}");
    }
}

#[test]
fn history_brings_lines_back_once_each_and_no_blank_ones() {
    assert_eq!(
        lines(b"one\rtwo\rtwo\r \r\x1b[A\x1b[A\r"),
        ["one", "two", "two", " ", "one"]
    );
    assert_eq!(
        lines(b"one\rtwo\r\x1b[A\x1b[A\x1b[B\r"),
        ["one", "two", "two"]
    );
    assert_eq!(lines(b"one\r\x1b[A\x1b[B\r"), ["one", ""]);
}

#[test]
fn history_stays_bounded_and_whole_when_it_wraps() {
    let mut memory = Memory::with_history(64);
    let mut typed = Vec::new();
    for number in 0..200 {
        typed.extend(alloc::format!("line-é-{number}\r").bytes());
        typed.extend(b"\x1b[A\x1b[A\x1b[A\r");
    }
    let mut tty = FakeTty::typing(&typed);
    let mut reader = LineReader::new(&mut memory, Settings::default());
    while let Input::Line(line) = reader.read(&mut tty, &FakeSystem::new()) {
        assert!(line.is_empty() || line.starts_with("line-é-"), "{line:?}");
    }
}

#[test]
fn ctrl_c_abandons_the_line_and_only_that_line() {
    let inputs = read_all(b"reboot\x03echo\r");
    assert_eq!(inputs, [Input::Abandoned, Input::Line("echo".to_string())]);
    assert!(session(b"reboot\x03", 80).starts_with("tlb> reboot^C\r\ntlb> "));
}

#[test]
fn ctrl_d_on_an_empty_line_hints_once_and_ends_nothing() {
    let shown = session(b"\x04\x04echo on\r", 80);
    assert_eq!(shown.matches("quit").count(), 1, "{shown}");
    assert!(shown.contains("tlb> echo on\r\non\r\n"), "{shown}");
    assert_eq!(lines(b"ax\x02\x04\r"), ["a"]);
}

#[test]
fn ctrl_l_clears_the_screen_and_keeps_the_line() {
    let shown = session(b"echo hi\x0c!\r", 80);
    assert!(
        shown.contains("\x1b[H\x1b[2Jtlb> echo hi!\r\nhi!\r\n"),
        "{shown:?}"
    );
}

#[test]
fn a_line_of_exactly_the_limit_is_kept_and_one_byte_more_is_refused_whole() {
    let longest = alloc::vec![b'x'; LINE_LIMIT];
    let mut typed = longest.clone();
    typed.push(b'\r');
    assert_eq!(lines(&typed), [String::from_utf8(longest).expect("ASCII")]);
    typed.insert(0, b'x');
    assert_eq!(read_all(&typed), [Input::TooLong]);
}

#[test]
fn a_line_of_ten_thousand_characters_is_refused_and_none_of_it_executed() {
    let mut typed = b"version ".to_vec();
    typed.resize(10_000, b'x');
    typed.extend(b"\x7f\x15\x1b[A\tversion\rcpus\r");
    let mut tty = FakeTty::typing(&typed);
    let mut system = FakeSystem::new();
    crate::interactive(&mut tty, &mut system, PLAIN, &mut Memory::new());
    assert_eq!(system.lines(), ["cpus"]);
    assert!(
        tty.text().contains("longer than 512 bytes"),
        "{}",
        tty.text()
    );
    assert_eq!(
        tty.text().matches('\x07').count(),
        1,
        "it rings once, however much follows"
    );
}

#[test]
fn tab_completes_and_a_second_tab_lists() {
    assert_eq!(lines(b"scor\t\r"), ["scoreboard "]);
    assert_eq!(lines(b"proto gl\t\r"), ["proto global-lock "]);
    assert_eq!(lines(b"storm ro\t5\r"), ["storm rounds=5"]);
    assert_eq!(lines(b"re\t\tm\t\r"), ["remap "]);
    let list = "\r\nreboot  resume  regs    remap   read    repeat\r\ntlb> re";
    assert!(!session(b"re\t", 80).contains(list));
    assert!(
        session(b"re\t\t", 80).contains(list),
        "{:?}",
        session(b"re\t\t", 80)
    );
    // The first Tab adds what all agree on; the second still lists.
    let shown = session(b"pr\t\t", 80);
    assert!(
        shown.starts_with("tlb> pro\r\nprotect  probe    proto\r\ntlb> pro"),
        "{shown:?}"
    );
    assert!(
        !session(b"pr\tx\x7f\t", 80).contains("probe"),
        "another key came between"
    );
}

#[test]
fn a_key_deleted_at_the_end_needs_only_a_backspace_and_an_erase() {
    assert!(
        session(b"ab\x7f", 80).starts_with("tlb> ab\x08\x1b[J"),
        "{:?}",
        session(b"ab\x7f", 80)
    );
}

#[test]
fn completion_in_the_middle_of_a_line_keeps_what_follows() {
    assert_eq!(lines(b" x\x01scor\t\r"), ["scoreboard  x"]);
}

#[test]
fn completion_never_grows_a_line_beyond_its_limit() {
    let mut typed = b"help ".to_vec();
    typed.resize(LINE_LIMIT - 5, b' ');
    typed.extend(b"scor\t\t\t\t!\r");
    let line = lines(&typed).remove(0);
    assert_eq!(line.len(), LINE_LIMIT);
    assert!(line.ends_with(" scor!"), "{line:?}");
}

#[test]
fn the_screen_shows_the_line_however_it_was_edited() {
    for columns in [1, 2, 7, 20, 80, 0] {
        let mut random = Random(0x5eed + columns as u64);
        for _ in 0..60 {
            edit_and_compare(&mut random, columns);
        }
    }
}

/// Types random keys, and compares what a terminal would show with what was read.
fn edit_and_compare(random: &mut Random, columns: usize) {
    const KEYS: [&[u8]; 16] = [
        b"a",
        b"b",
        b"cd ",
        b"e",
        b"scor\t",
        "é→".as_bytes(),
        b"\x1b[D",
        b"\x1b[D\x1b[D",
        b"\x1b[C",
        b"\x7f",
        b"\x1b[3~",
        b"\x17",
        b"\x14",
        b"\x01",
        b"\x05",
        b"\x0b",
    ];
    let mut typed = Vec::new();
    for _ in 0..random.below(60) {
        typed.extend(
            KEYS.get(random.below(KEYS.len()))
                .copied()
                .unwrap_or_default(),
        );
    }
    typed.push(b'\r');
    let (mut tty, mut memory) = (FakeTty::typing(&typed), Memory::new());
    let input = LineReader::new(
        &mut memory,
        Settings {
            columns,
            ..Settings::default()
        },
    )
    .read(&mut tty, &FakeSystem::new());
    let Input::Line(line) = input else {
        panic!("{input:?} from {typed:x?}")
    };
    let mut screen = Screen::new(if columns == 0 { 10_000 } else { columns });
    screen.write(&tty.shown);
    let wanted = alloc::format!("tlb> {line}");
    assert_eq!(
        screen.text().trim_end(),
        wanted.trim_end(),
        "{columns}: {typed:x?}"
    );
}
