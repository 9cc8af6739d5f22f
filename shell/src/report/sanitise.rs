//! Text from outside, made harmless to a terminal.

use core::fmt::{self, Write};

/// Whether a terminal shows `character` and does nothing else: no control character, no line or
/// paragraph separator, and none of those that turn the direction of writing.
pub const fn is_plain(character: char) -> bool {
    !matches!(character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Displays a text with every character that is not [plain](is_plain) escaped: `\x1b`, `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct Sanitised<'a>(pub &'a str);

impl fmt::Display for Sanitised<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            _ if is_plain(character) => f.write_char(character),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\t' => f.write_str("\\t"),
            '\0'..='\u{ff}' => write!(f, "\\x{:02x}", u32::from(character)),
            _ => write!(f, "\\u{{{:x}}}", u32::from(character)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn no_control_byte_survives() {
        let hostile: alloc::string::String = (0..0x3000).filter_map(char::from_u32).collect();
        let shown = Sanitised(&hostile).to_string();
        assert!(shown.chars().all(is_plain));
        assert!(shown.bytes().all(|byte| byte >= 0x20 && byte != 0x7f));
    }

    #[test]
    fn what_was_escaped_can_be_told() {
        assert_eq!(
            Sanitised("a\x1b[2Jb\u{9b}c\r\u{202e}é").to_string(),
            "a\\x1b[2Jb\\x9bc\\r\\u{202e}é"
        );
    }
}
