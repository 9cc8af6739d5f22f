//! Page-table entries, what they allow, and why a page could not be mapped.

use super::ADDRESS;
use x86_64::structures::paging::PageTableFlags as Flags;

/// The bits of an entry that say what it allows.
pub(super) const RIGHTS: u64 = Rights::DEVICE.0.bits() | Rights::USER_WRITE.0.bits();

/// What a mapping allows. There is no value that allows both writing and executing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights(pub(super) Flags);

impl Rights {
    /// Kernel code.
    pub const KERNEL_TEXT: Rights = Rights(Flags::PRESENT);
    /// Kernel constants.
    pub const KERNEL_CONSTANTS: Rights = Rights(Flags::PRESENT.union(Flags::NO_EXECUTE));
    /// Kernel data.
    pub const KERNEL_DATA: Rights = Rights(Rights::KERNEL_CONSTANTS.0.union(Flags::WRITABLE));
    /// Device registers: not cached.
    pub const DEVICE: Rights = Rights(
        Rights::KERNEL_DATA
            .0
            .union(Flags::NO_CACHE)
            .union(Flags::WRITE_THROUGH),
    );
    /// Ring 3 may execute.
    pub const USER_TEXT: Rights = Rights(Flags::PRESENT.union(Flags::USER_ACCESSIBLE));
    /// Ring 3 may read.
    pub const USER_READ: Rights = Rights(Rights::USER_TEXT.0.union(Flags::NO_EXECUTE));
    /// Ring 3 may read and write.
    pub const USER_WRITE: Rights = Rights(Rights::USER_READ.0.union(Flags::WRITABLE));

    /// Whether ring 3 may write.
    pub fn writable(self) -> bool {
        self.0.contains(Flags::WRITABLE)
    }

    /// Whether ring 3 may execute.
    pub fn executable(self) -> bool {
        !self.0.contains(Flags::NO_EXECUTE)
    }
}

/// A page-table entry as it stood when it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(pub(super) u64);

impl Entry {
    /// Whether it maps something.
    pub fn present(self) -> bool {
        self.flags().contains(Flags::PRESENT)
    }

    /// The frame's physical address.
    pub fn frame(self) -> u64 {
        self.0 & ADDRESS
    }

    /// What it allows.
    pub fn rights(self) -> Rights {
        Rights(Flags::from_bits_truncate(self.0 & RIGHTS))
    }

    /// Whether a walk used it since the bit was last cleared.
    pub fn accessed(self) -> bool {
        self.flags().contains(Flags::ACCESSED)
    }

    /// Whether a write went through it since the bit was last cleared.
    pub fn dirty(self) -> bool {
        self.flags().contains(Flags::DIRTY)
    }

    /// The whole word.
    pub fn bits(self) -> u64 {
        self.0
    }

    fn flags(self) -> Flags {
        Flags::from_bits_truncate(self.0)
    }
}

/// Why a page could not be mapped or changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// Memory is used up.
    NoMemory,
    /// The address is not a page of ring 3's half above page 0.
    NotUser,
    /// The page is mapped already.
    Mapped,
    /// The page is not mapped.
    NotMapped,
}

impl core::fmt::Display for MapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            MapError::NoMemory => "no frame is free",
            MapError::NotUser => {
                "not a page of the user half (0x1000 to 0x7fffffffffff, page 0 excluded)"
            }
            MapError::Mapped => "the page is mapped already",
            MapError::NotMapped => "the page is not mapped",
        })
    }
}
