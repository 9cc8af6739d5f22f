//! Whether the bytes are a text that reads as it looks.

use super::{Broken, LONGEST};

/// Characters that change the direction of what follows, or cannot be seen: with them a text does not read as the
/// compiler reads it.
pub fn hides(letter: char) -> bool {
    matches!(letter,
        '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text of a source, without the mark that some editors begin files with.
pub fn read(source: &[u8]) -> Result<&str, Broken> {
    let bad = |before: &[u8], what: String| Broken {
        line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        what,
    };
    if source.len() > LONGEST {
        return Err(bad(&[], format!("the file is longer than {LONGEST} bytes")));
    }
    let text = str::from_utf8(source).map_err(|error| {
        let before = &source[..error.valid_up_to()];
        bad(before, "the file is not UTF-8".into())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let odd = |letter: char| {
        let control = letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
        control || hides(letter)
    };
    if let Some((place, letter)) = text.char_indices().find(|(_, letter)| odd(*letter)) {
        let code = u32::from(letter);
        let why = if letter.is_control() {
            "a control character has no place in a source"
        } else {
            "with it the text does not read as the compiler reads it"
        };
        return Err(bad(
            &text.as_bytes()[..place],
            format!("U+{code:04X}: {why}"),
        ));
    }
    if text.starts_with("#!") && !text[2..].trim_start().starts_with('[') {
        return Err(bad(&[], "a source that names a program to run it".into()));
    }
    Ok(text)
}
