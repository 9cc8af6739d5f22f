//! What a terminal shows that is sent what the painter sends.

use super::*;
use crate::report::{Output, Settings};
use alloc::string::String;

/// A terminal that knows cursor moves and styles.
struct Terminal {
    columns: usize,
    cells: Vec<(u8, Vec<u8>)>,
    place: usize,
    style: Vec<u8>,
}

impl Terminal {
    fn new(columns: usize, rows: usize) -> Terminal {
        Terminal {
            columns,
            cells: vec![(b' ', Vec::new()); columns * rows],
            place: 0,
            style: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte != 0x1b {
                assert!((b' '..=b'~').contains(&byte), "{byte:#x} is sent");
                self.cells[self.place] = (byte, self.style.clone());
                self.place += 1;
                continue;
            }
            assert_eq!(bytes.next(), Some(b'['));
            let mut text = String::new();
            let end = loop {
                match bytes.next().expect("a whole sequence") {
                    end @ (b'H' | b'm') => break end,
                    other => text.push(char::from(other)),
                }
            };
            if end == b'H' {
                let (row, column) = text.split_once(';').expect("row and column");
                let number = |text: &str| text.parse::<usize>().expect("a number") - 1;
                self.place = number(row) * self.columns + number(column);
            } else {
                self.style = if text == "0" {
                    Vec::new()
                } else {
                    text.into_bytes()
                };
            }
        }
    }

    #[track_caller]
    fn shows(&self, screen: &Screen) {
        for (cell, (character, style)) in screen.cells.iter().zip(&self.cells) {
            assert_eq!(cell.character, *character);
            let wanted = cell.style.map_or("", Style::sequence);
            assert_eq!(
                wanted
                    .trim_start_matches("\x1b[")
                    .trim_end_matches('m')
                    .as_bytes(),
                style
            );
        }
    }
}

/// Numbers that look like chance, the same in every run.
fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) as usize
}

fn scribble(screen: &mut Screen, seed: &mut u64) {
    const STYLES: [Option<Style>; 3] = [None, Some(Style::Bad), Some(Style::Dim)];
    for _ in 0..random(seed) % 12 {
        let (row, column) = (
            random(seed) % (screen.rows() + 2),
            random(seed) % screen.columns(),
        );
        let style = STYLES[random(seed) % 3];
        screen.put(row, column, &"0123456789abcdef"[..random(seed) % 16], style);
    }
}

#[test]
fn a_terminal_that_shows_something_else_than_what_was_drawn() {
    let mut seed = 1;
    let (mut screen, mut painter) = (Screen::new(31, 7), Painter::new(31, 7, true));
    let mut terminal = Terminal::new(31, 7);
    for _ in 0..2000 {
        if random(&mut seed).is_multiple_of(20) {
            screen.clear();
        }
        scribble(&mut screen, &mut seed);
        terminal.take(&painter.paint(&screen, usize::MAX));
        terminal.shows(&screen);
    }
}

#[test]
fn an_unchanged_screen_that_is_sent_again() {
    let mut screen = Screen::new(79, 24);
    let mut painter = Painter::new(79, 24, true);
    screen.put(3, 0, "0x400000 0x1", Some(Style::Bad));
    assert!(!painter.paint(&screen, usize::MAX).is_empty());
    assert_eq!(painter.paint(&screen, usize::MAX), b"");
    screen.put(3, 11, "2", Some(Style::Bad));
    let sent = painter.paint(&screen, usize::MAX);
    assert_eq!(sent, b"\x1b[4;12H\x1b[31m2\x1b[0m", "{sent:?}");
}

#[test]
fn a_slow_line_that_is_given_more_than_it_takes_or_never_shows_the_last_row() {
    let (mut screen, mut painter) = (Screen::new(79, 24), Painter::new(79, 24, false));
    let mut terminal = Terminal::new(79, 24);
    let budget = Pace {
        milliseconds: 100,
        baud: 9600,
    }
    .budget();
    assert_eq!(budget, 86);
    let mut frames = 0;
    for row in 0..24 {
        screen.put(row, 0, &"0123456789".repeat(7), None);
    }
    loop {
        let bytes = painter.paint(&screen, budget);
        assert!(bytes.len() < budget + 90, "{}", bytes.len());
        if bytes.is_empty() {
            break;
        }
        // The first rows go on changing: the last must get their turn.
        screen.put(0, 0, if frames % 2 == 0 { "even" } else { "odd " }, None);
        terminal.take(&bytes);
        frames += 1;
        if frames > 40 {
            break;
        }
    }
    let last = &terminal.cells[23 * 79..23 * 79 + 4];
    assert_eq!(last.iter().map(|cell| cell.0).collect::<Vec<_>>(), b"0123");
}

#[test]
fn text_that_leaves_the_screen_or_holds_escapes() {
    let mut screen = Screen::new(5, 2);
    assert_eq!(screen.put(0, 3, "abcdef", None), 9);
    screen.put(9, 0, "nowhere", None);
    screen.put(1, 0, "\x1b[2J\u{e9}", None);
    let lines: Vec<String> = screen.lines().collect();
    assert_eq!(lines, ["   ab", "?[2J?"]);
}

#[test]
fn a_live_view_that_does_not_end_or_leaves_the_screen_behind() {
    struct Line(Vec<u8>, Vec<u8>);
    impl crate::report::Sink for Line {
        fn write(&mut self, bytes: &[u8]) {
            self.0.extend(bytes);
        }
        fn key(&mut self) -> Option<u8> {
            self.1.pop()
        }
    }
    let mut line = Line(Vec::new(), vec![b'q', b'x']);
    let mut output = Output::for_test(&mut line, Settings::default());
    let pace = Pace {
        milliseconds: 500,
        baud: 9600,
    };
    let mut drawn = 0;
    let frames = live(
        &mut output,
        pace,
        &mut |screen| {
            drawn += 1;
            screen.put(0, 0, "tlb", None);
        },
        &mut |_| {},
    );
    drop(output);
    assert_eq!((frames, drawn), (0, 0), "a key that was typed before");
    assert!(line.0.starts_with(b"\x1b[?1049h") && line.0.ends_with(b"\x1b[?1049l"));
}
