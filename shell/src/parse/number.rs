//! Numbers as people type them.

/// Why a text is not a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotNumber {
    /// It is not written like one.
    Malformed,
    /// It does not fit in 64 bits.
    TooBig,
}

/// Reads decimal or, after `0x`, hexadecimal digits, with `_` between digits and K, M or G (either
/// case) for 2^10, 2^20 or 2^30 after them. No sign, no fraction.
///
/// # Errors
/// [`NotNumber`].
pub fn number(text: &str) -> Result<u64, NotNumber> {
    let (body, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let (digits, shift) = split_suffix(body);
    let mut value = 0u64;
    let mut after_digit = false;
    for character in digits.chars() {
        match character.to_digit(radix) {
            Some(digit) => {
                value = append(value, radix, digit).ok_or(NotNumber::TooBig)?;
                after_digit = true;
            }
            None if character == '_' && after_digit => after_digit = false,
            None => return Err(NotNumber::Malformed),
        }
    }
    if !after_digit {
        return Err(NotNumber::Malformed);
    }
    value.checked_mul(1 << shift).ok_or(NotNumber::TooBig)
}

fn append(value: u64, radix: u32, digit: u32) -> Option<u64> {
    value
        .checked_mul(u64::from(radix))?
        .checked_add(u64::from(digit))
}

/// The digits, and the power of two that the suffix stands for.
fn split_suffix(text: &str) -> (&str, u32) {
    let suffixes = [('k', 10), ('m', 20), ('g', 30)];
    suffixes
        .iter()
        .find_map(|&(letter, shift)| {
            let digits = text.strip_suffix([letter, letter.to_ascii_uppercase()])?;
            Some((digits, shift))
        })
        .unwrap_or((text, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_write_a_number_gives_it() {
        assert_eq!(number("0"), Ok(0));
        assert_eq!(number("0x1F"), Ok(31));
        assert_eq!(number("1_000"), Ok(1000));
        assert_eq!(number("0xffff_8000_0000_0000"), Ok(0xffff_8000_0000_0000));
        assert_eq!(number("4K"), Ok(4096));
        assert_eq!(number("2m"), Ok(2 << 20));
        assert_eq!(number("0x4G"), Ok(4 << 30));
        assert_eq!(number("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn a_number_too_big_for_64_bits_does_not_wrap() {
        for text in [
            "18446744073709551616",
            "0x1_0000_0000_0000_0000",
            "17179869184G",
        ] {
            assert_eq!(number(text), Err(NotNumber::TooBig), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_number_is_refused() {
        for text in [
            "", "0x", "K", "_1", "1_", "1__0", "-1", "+1", "1.5", "1KK", "0x_1", "12a", "٣",
        ] {
            assert_eq!(number(text), Err(NotNumber::Malformed), "{text}");
        }
    }
}
