//! Names for addresses, from the initrd.

use spin::Once;

/// Lines of `address name`, lowest address first.
static SYMBOLS: Once<&'static str> = Once::new();

/// Takes the table. Once.
pub fn init(table: &'static str) {
    SYMBOLS.call_once(|| table);
}

/// The function that `address` is in, and how far into it, if the table is there and knows.
pub fn find(address: u64) -> Option<(&'static str, u64)> {
    let mut best = None;
    for line in SYMBOLS.get()?.lines() {
        let (start, name) = line.split_once(' ')?;
        let start = u64::from_str_radix(start.trim_start_matches("0x"), 16).ok()?;
        if start > address {
            break;
        }
        best = Some((name, address - start));
    }
    best.filter(|_| address >= hw::paging::KERNEL_BASE)
}

/// An address that prints with its function.
#[derive(Clone, Copy, Debug)]
pub struct Symbolised(pub u64);

impl core::fmt::Display for Symbolised {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match find(self.0) {
            Some((name, offset)) => write!(f, "{:#x} {name}+{offset:#x}", self.0),
            None => write!(f, "{:#x}", self.0),
        }
    }
}
