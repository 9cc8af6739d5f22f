//! UTF-8, a byte at a time.

/// Collects the bytes of one character. What is not UTF-8 is dropped, and never takes a following
/// ASCII byte with it.
#[derive(Default, Debug)]
pub(super) struct Utf8 {
    bytes: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Takes the next byte; gives the character that it completes.
    pub fn feed(&mut self, byte: u8) -> Option<char> {
        // A byte that begins a character drops an unfinished one.
        if byte & 0xc0 != 0x80 {
            self.length = 0;
        }
        *self.bytes.get_mut(self.length)? = byte;
        self.length += 1;
        let so_far = self.bytes.get(..self.length)?;
        match core::str::from_utf8(so_far) {
            Ok(text) => {
                self.length = 0;
                text.chars().next()
            }
            Err(error) => {
                if error.error_len().is_some() {
                    self.length = 0;
                }
                None
            }
        }
    }

    /// Forgets an unfinished character.
    pub fn reset(&mut self) {
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn decode(bytes: &[u8]) -> String {
        let mut utf8 = Utf8::default();
        bytes.iter().filter_map(|&byte| utf8.feed(byte)).collect()
    }

    #[test]
    fn whole_characters_come_through_and_broken_ones_do_not() {
        assert_eq!(decode("aé→😀z".as_bytes()), "aé→😀z");
        for broken in [
            &b"\xc0\x80"[..],
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xff\xfe",
            b"\x80",
        ] {
            assert_eq!(decode(broken), "", "{broken:x?}");
        }
    }

    #[test]
    fn a_cut_character_does_not_swallow_the_next() {
        assert_eq!(decode(b"\xe2\x86x\xf0\x9f\xe2\x86\x92"), "x→");
    }
}
