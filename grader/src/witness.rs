//! QEMU's interrupt log: a witness to what was delivered that the kernel cannot influence.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// How QEMU notes that a vCPU takes a hardware interrupt; the vector follows in hexadecimal.
const TAKEN: &[u8] = b"Servicing hardware INT=0x";

/// How often each vector was delivered, all CPUs together, as QEMU logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    counts: [u64; 256],
}

impl Delivered {
    /// Counts a log written by `-d int`. It may be large: it is read line by line.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(log: &Path) -> io::Result<Self> {
        Self::count(BufReader::new(File::open(log)?))
    }

    fn count(mut log: impl BufRead) -> io::Result<Self> {
        let mut counts = [0; 256];
        let mut line = Vec::new();
        while log.read_until(b'\n', &mut line)? > 0 {
            if let Some(vector) = vector(&line) {
                counts[usize::from(vector)] += 1;
            }
            line.clear();
        }
        Ok(Self { counts })
    }

    /// How often this vector was delivered.
    #[must_use]
    pub fn of(&self, vector: u8) -> u64 {
        self.counts[usize::from(vector)]
    }

    /// How often any was.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The vector in a line about a hardware interrupt. Threads may run their lines together, so that one does
/// not begin a line.
fn vector(line: &[u8]) -> Option<u8> {
    let start = line
        .windows(TAKEN.len())
        .position(|window| window == TAKEN)?
        + TAKEN.len();
    let digits = line.get(start..start + 2)?;
    u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_counted_as_an_interrupt() {
        let log = b"Servicing hardware INT=0xf3\n     0: v=f3 e=0000 i=0 cpl=0\n\
                    check_exception old: 0xffffffff new 0xe\nServicing hardware INT=0x20\n\xff\n\
                    RAX=0Servicing hardware INT=0xf3\n";
        let delivered = Delivered::count(&log[..]).unwrap();
        assert_eq!(
            (delivered.of(0xf3), delivered.of(0x20), delivered.total()),
            (2, 1, 3)
        );
    }
}
