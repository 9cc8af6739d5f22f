//! `write`: text from ring 3, made harmless, onto the console.

use crate::console;
use core::fmt::{self, Write};
use hw::paging::USER_END;
use hw::probe;
use hw::programs::Error;
use hw::sync::Lock;
use shell::report::Sanitised;

/// The most bytes of one call.
const MAX_BYTES: usize = 256;

/// One call's lines at a time.
static CONSOLE: Lock<()> = Lock::new(());

/// Writes the `bytes` bytes of text at `address` to the console. Each line of it stays whole, the
/// last is ended if it is not, and whatever could move a terminal's cursor is shown escaped.
pub fn write(address: u64, bytes: u64) -> Result<u64, Error> {
    let mut buffer = [0; MAX_BYTES];
    let text = usize::try_from(bytes)
        .ok()
        .and_then(|bytes| buffer.get_mut(..bytes))
        .ok_or(Error::BadCount)?;
    copy(address, text)?;
    let mut lines = Lines {
        bytes: [0; Lines::SIZE],
        used: 0,
    };
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        // Never fails: `Lines` has room for every byte escaped.
        let _ = lines.line(line.strip_suffix(b"\n").unwrap_or(line));
    }
    let _one = CONSOLE.lock();
    console::write(&lines.bytes[..lines.used]);
    Ok(bytes)
}

/// Reads ring 3's bytes at `address`, through the TLB as ring 3 would.
fn copy(address: u64, into: &mut [u8]) -> Result<(), Error> {
    let end = address
        .checked_add(into.len() as u64)
        .filter(|&end| end <= USER_END);
    end.ok_or(Error::Unreadable)?;
    let mut held = None;
    for (byte, at) in into.iter_mut().zip(address..) {
        let word_at = at & !7;
        let word = match held {
            Some((of, word)) if of == word_at => word,
            _ => probe::read(word_at).map_err(|_| Error::Unreadable)?,
        };
        held = Some((word_at, word));
        *byte = word.to_le_bytes()[(at & 7) as usize];
    }
    Ok(())
}

/// Lines for the console. A byte of text becomes four at most (`\x1b`), and one line's end is added.
struct Lines {
    bytes: [u8; Lines::SIZE],
    used: usize,
}

impl Lines {
    const SIZE: usize = 4 * MAX_BYTES + 2;

    fn line(&mut self, text: &[u8]) -> fmt::Result {
        for chunk in text.utf8_chunks() {
            write!(self, "{}", Sanitised(chunk.valid()))?;
            chunk
                .invalid()
                .iter()
                .try_for_each(|byte| write!(self, "\\x{byte:02x}"))?;
        }
        self.write_str("\r\n")
    }
}

impl Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self
            .bytes
            .get_mut(self.used..self.used + text.len())
            .ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.used += text.len();
        Ok(())
    }
}
