//! The run's key.

use core::fmt;
use core::hash::Hasher;
use siphasher::sip::SipHasher24;

/// The key under which a run's frames are authenticated: 128 bits that the host makes anew for
/// each run. Its `Debug` form does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// The length of a key as text.
    pub const DIGITS: usize = 32;

    /// The key of those bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Key {
        Key(bytes)
    }

    /// The key that is written as `digits`: 32 hexadecimal ones, first byte first.
    pub fn from_hex(digits: &str) -> Option<Key> {
        let digits = digits.as_bytes();
        if digits.len() != Key::DIGITS {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Key(bytes))
    }

    /// The 32 hexadecimal digits, in ASCII.
    pub fn hex(&self) -> [u8; Key::DIGITS] {
        let mut digits = [0; Key::DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        digits
    }

    /// The MAC of `bytes`.
    pub(super) fn mac(&self, bytes: &[u8]) -> [u8; super::MAC] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(bytes);
        hasher.finish().to_le_bytes()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn digit(character: u8) -> Option<u8> {
    char::from(character)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_reads_back_as_another() {
        let key = Key::from_bytes(core::array::from_fn(|index| index as u8 * 17));
        let hex = key.hex();
        let hex = core::str::from_utf8(&hex).unwrap();
        assert_eq!(hex, "00112233445566778899aabbccddeeff");
        assert_eq!(Key::from_hex(hex), Some(key));
        for bad in ["", &hex[1..], &hex.replace('7', "g"), "é"] {
            assert_eq!(Key::from_hex(bad), None, "{bad}");
        }
    }

    /// The reference vector of the paper "SipHash: a fast short-input PRF", appendix A.
    #[test]
    fn another_function_than_siphash_2_4() {
        let key = Key::from_bytes(core::array::from_fn(|index| index as u8));
        let message: [u8; 15] = core::array::from_fn(|index| index as u8);
        assert_eq!(key.mac(&message), 0xa129_ca61_49be_45e5_u64.to_le_bytes());
    }
}
