//! From bytes to keys.

use super::utf8::Utf8;
use crate::report::is_plain;

/// What a person pressed, as far as the editor knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// A character that a terminal shows.
    Char(char),
    /// CR or LF.
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    /// Ctrl-L.
    Clear,
    /// Ctrl-K.
    KillToEnd,
    /// Ctrl-U.
    KillLine,
    /// Ctrl-W.
    KillWord,
    /// Ctrl-T.
    Swap,
}

/// The decoder. Escape sequences that mean nothing here are dropped whole, cursor reports among
/// them; a control character ends any sequence and counts as itself, so that half a sequence never
/// takes the end of a line with it.
#[derive(Default, Debug)]
pub(super) struct Keys {
    state: State,
    utf8: Utf8,
}

#[derive(Clone, Copy, Default, Debug)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC O.
    Single,
    /// After ESC [: its first parameter, and whether that is over.
    Sequence { parameter: u16, odd: bool },
}

const ESC: u8 = 0x1b;

impl Keys {
    /// Takes the next byte; gives the key that it completes.
    pub fn feed(&mut self, byte: u8) -> Option<Key> {
        if byte == ESC {
            self.utf8.reset();
            self.state = State::Escape;
            return None;
        }
        if byte < 0x20 || byte == 0x7f {
            self.utf8.reset();
            self.state = State::Ground;
            return control(byte);
        }
        match self.state {
            State::Ground => self
                .utf8
                .feed(byte)
                .filter(|&key| is_plain(key))
                .map(Key::Char),
            State::Escape => {
                self.state = match byte {
                    b'[' => State::Sequence {
                        parameter: 0,
                        odd: false,
                    },
                    b'O' => State::Single,
                    _ => State::Ground,
                };
                None
            }
            State::Single => {
                self.state = State::Ground;
                cursor(byte)
            }
            State::Sequence { parameter, odd } => self.sequence(byte, parameter, odd),
        }
    }

    /// A byte of a sequence after ESC [ (ECMA-48, 5.4).
    fn sequence(&mut self, byte: u8, parameter: u16, odd: bool) -> Option<Key> {
        if byte.is_ascii_digit() && !odd {
            let digit = u16::from(byte - b'0');
            let parameter = parameter.saturating_mul(10).saturating_add(digit);
            self.state = State::Sequence { parameter, odd };
            return None;
        }
        if !(0x40..=0x7e).contains(&byte) {
            self.state = State::Sequence {
                parameter,
                odd: true,
            };
            return None;
        }
        self.state = State::Ground;
        match (byte, parameter) {
            (b'~', 1 | 7) => Some(Key::Home),
            (b'~', 3) => Some(Key::Delete),
            (b'~', 4 | 8) => Some(Key::End),
            _ => cursor(byte),
        }
    }
}

fn control(byte: u8) -> Option<Key> {
    Some(match byte {
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Interrupt,
        0x04 => Key::EndOfInput,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7f => Key::Backspace,
        0x09 => Key::Tab,
        0x0a | 0x0d => Key::Enter,
        0x0b => Key::KillToEnd,
        0x0c => Key::Clear,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x14 => Key::Swap,
        0x15 => Key::KillLine,
        0x17 => Key::KillWord,
        _ => return None,
    })
}

/// The keys that end with the same letter after ESC [ and after ESC O.
fn cursor(byte: u8) -> Option<Key> {
    Some(match byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().filter_map(|&byte| keys.feed(byte)).collect()
    }

    #[test]
    fn each_way_to_send_a_cursor_key_is_understood() {
        assert_eq!(keys(b"\x1b[A\x1bOA\x10"), [Key::Up; 3]);
        assert_eq!(keys(b"\x1b[H\x1bOH\x1b[1~\x1b[7~\x01"), [Key::Home; 5]);
        assert_eq!(keys(b"\x1b[3~"), [Key::Delete]);
        assert_eq!(keys(b"\x1b[1;5C\x1b[3;5~"), [Key::Right, Key::Delete]);
        assert_eq!(keys(b"\x1b[?3~\x1b[200~\x1b[;3~"), []);
    }

    #[test]
    fn a_cursor_report_from_outside_is_no_key() {
        for report in [
            &b"\x1b[0;0R"[..],
            b"\x1b[R",
            b"\x1b[24;80R",
            b"\x1b[99999999999999999999;1R",
        ] {
            assert_eq!(keys(report), [], "{report:x?}");
        }
    }

    #[test]
    fn half_a_sequence_does_not_take_the_end_of_the_line_with_it() {
        for half in [
            &b"\x1b"[..],
            b"\x1b[",
            b"\x1b[12",
            b"\x1b[1;",
            b"\x1bO",
            b"\x1b[?25",
            b"\xe2\x86",
        ] {
            let mut bytes = half.to_vec();
            bytes.extend(b"\rx");
            assert_eq!(keys(&bytes), [Key::Enter, Key::Char('x')], "{half:x?}");
        }
    }

    #[test]
    fn c1_controls_and_bidirectional_marks_are_not_typed() {
        assert_eq!(
            keys("\u{9b}a\u{202e}b".as_bytes()),
            [Key::Char('a'), Key::Char('b')]
        );
    }
}
