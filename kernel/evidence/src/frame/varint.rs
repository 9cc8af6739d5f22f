//! Numbers of variable length.

/// The longest, in bytes.
pub const MAX: usize = 10;

/// Writes `value` to the front of `out`, which has room. Returns how many bytes it took.
pub fn put(out: &mut [u8; MAX], mut value: u64) -> usize {
    let mut length = 0;
    for byte in out {
        *byte = value as u8 & 0x7f;
        length += 1;
        value >>= 7;
        if value == 0 {
            break;
        }
        *byte |= 0x80;
    }
    length
}

/// Takes a number off the front of `bytes`. `None` if there is none, or not in its shortest form.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(MAX) {
        let low = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        if low << shift >> shift != low {
            return None;
        }
        value |= low << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return None;
            }
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

/// A difference, small in either direction, as a small number.
pub const fn zigzag(difference: i64) -> u64 {
    (difference << 1 ^ difference >> 63) as u64
}

/// Undoes [`zigzag`].
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_reads_back_as_another() {
        let edges = (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1, !(1 << bit)]);
        for value in edges.chain([u64::MAX]) {
            let mut buffer = [0xaa; MAX];
            let length = put(&mut buffer, value);
            let mut rest = &buffer[..length];
            assert_eq!(take(&mut rest), Some(value));
            assert!(rest.is_empty());
            assert_eq!(take(&mut &buffer[..length - 1]), None);
            assert_eq!(zigzag(unzigzag(value)), value);
        }
        assert!(zigzag(-3) < 8 && zigzag(3) < 8);
    }

    #[test]
    fn two_spellings_of_one_number() {
        assert_eq!(take(&mut &[0x80, 0x00][..]), None);
        assert_eq!(take(&mut &[0xff; 10][..]), None);
        let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(take(&mut &beyond[..]), None);
    }
}
