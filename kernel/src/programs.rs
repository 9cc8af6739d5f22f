//! Ring-3 programs.

use alloc::string::String;
use alloc::vec::Vec;

/// The programs' names.
pub fn names() -> Vec<String> {
    Vec::new()
}
