//! What an initiator asks of its targets.

use core::fmt;

/// Bytes in a page; requests are whole pages.
pub const PAGE_SIZE: u64 = 4096;

/// From this many pages on, a range is invalidated as its whole space: so many INVLPGs cost more
/// than refilling the TLB (protocol.md §3 step 0).
pub const RANGE_LIMIT: u64 = 4096;

/// An address space, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct SpaceId(pub u32);

impl SpaceId {
    /// The kernel's half, which every space shares. Its translations are global wherever the mode
    /// has global translations (see [`operation`](crate::operation)).
    pub const KERNEL: SpaceId = SpaceId(0);
}

impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == SpaceId::KERNEL {
            f.pad("kernel")
        } else {
            self.0.fmt(f)
        }
    }
}

/// What a target is asked to do.
///
/// FreeBSD's "TLB" operation decides on the target by the space it names; here it is two, so that
/// a request says what it does: `Global` is "TLB" for the kernel's space, `Space` for any other.
/// "Page range", "one page" and "cache" are `Range`, `Page` and `Cache`. FreeBSD also encodes the
/// mode (PCID, INVPCID, PTI) in the operation; here the mode is the machine's, chosen once
/// ([`Mode`](crate::Mode)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Operation {
    /// Invalidate every translation of one space.
    Space = 0,
    /// Invalidate the translations of the pages from `start` up to `end`.
    Range = 1,
    /// Invalidate the translation of the page at `start`.
    Page = 2,
    /// Invalidate every translation, global ones too.
    Global = 3,
    /// Write back and invalidate the caches (WBINVD).
    Cache = 4,
}

impl Operation {
    /// Every operation; `ALL[o as usize] == o`.
    pub const ALL: [Operation; 5] = [
        Operation::Space,
        Operation::Range,
        Operation::Page,
        Operation::Global,
        Operation::Cache,
    ];

    /// The name by which people and files call it.
    pub const fn name(self) -> &'static str {
        match self {
            Operation::Space => "space",
            Operation::Range => "range",
            Operation::Page => "page",
            Operation::Global => "global",
            Operation::Cache => "cache",
        }
    }

    /// The operation called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// The operation that a request word's bits stand for.
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            0 => Some(Operation::Space),
            1 => Some(Operation::Range),
            2 => Some(Operation::Page),
            3 => Some(Operation::Global),
            4 => Some(Operation::Cache),
            _ => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing to be done on a set of CPUs. The constructors make only well-formed ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Request {
    operation: Operation,
    space: SpaceId,
    start: u64,
    end: u64,
}

/// Why a page or a range cannot be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadRequest {
    /// The address is not canonical: bits 63 to 48 do not repeat bit 47, so nothing can be mapped
    /// there, and INVPCID would fault (SDM vol. 2A, INVPCID).
    NotCanonical(u64),
    /// The range holds no byte, or runs beyond its half of the address space.
    Empty {
        /// First address.
        start: u64,
        /// Exclusive end.
        end: u64,
    },
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            BadRequest::NotCanonical(va) => write!(f, "{va:#x} is not a canonical address"),
            BadRequest::Empty { start, end } => {
                write!(f, "no address range runs from {start:#x} up to {end:#x}")
            }
        }
    }
}

impl core::error::Error for BadRequest {}

/// Whether bits 63 to 48 repeat bit 47.
const fn canonical(va: u64) -> bool {
    ((va << 16) as i64 >> 16) as u64 == va
}

impl Request {
    /// The page that holds `va`, in `space`.
    ///
    /// # Errors
    /// [`BadRequest::NotCanonical`].
    #[inline]
    pub const fn page(space: SpaceId, va: u64) -> Result<Self, BadRequest> {
        if !canonical(va) {
            return Err(BadRequest::NotCanonical(va));
        }
        let start = va & !(PAGE_SIZE - 1);
        // Wraps to 0 for the last page there is; `contains` and the operations allow for it.
        Ok(Request {
            operation: Operation::Page,
            space,
            start,
            end: start.wrapping_add(PAGE_SIZE),
        })
    }

    /// The pages that hold any of the bytes from `start` up to `end`, which is exclusive: `start`
    /// is rounded down and `end` up to whole pages (I17).
    ///
    /// One page becomes [`Page`](Operation::Page); [`RANGE_LIMIT`] pages or more become
    /// [`Request::space`].
    ///
    /// # Errors
    /// [`BadRequest::NotCanonical`] if `start` or the last byte is not canonical;
    /// [`BadRequest::Empty`] if no byte is named, or the two lie in different halves, or the
    /// range ends with the last page there is (its exclusive end is not a number).
    pub const fn range(space: SpaceId, start: u64, end: u64) -> Result<Self, BadRequest> {
        if end <= start {
            return Err(BadRequest::Empty { start, end });
        }
        if !canonical(start) {
            return Err(BadRequest::NotCanonical(start));
        }
        if !canonical(end - 1) {
            return Err(BadRequest::NotCanonical(end - 1));
        }
        let first = start & !(PAGE_SIZE - 1);
        let Some(limit) = end.checked_next_multiple_of(PAGE_SIZE) else {
            return Err(BadRequest::Empty { start, end });
        };
        if (start ^ (end - 1)) >> 63 != 0 {
            return Err(BadRequest::Empty { start, end });
        }
        let pages = (limit - first) / PAGE_SIZE;
        if pages >= RANGE_LIMIT {
            return Ok(Request::space(space));
        }
        let operation = if pages == 1 {
            Operation::Page
        } else {
            Operation::Range
        };
        Ok(Request {
            operation,
            space,
            start: first,
            end: limit,
        })
    }

    /// Everything in `space`; for the kernel's, the same as [`Request::global`].
    #[inline]
    pub const fn space(space: SpaceId) -> Self {
        if space.0 == SpaceId::KERNEL.0 {
            return Request::global();
        }
        Request {
            operation: Operation::Space,
            space,
            start: 0,
            end: 0,
        }
    }

    /// Everything, global translations included, of every space.
    #[inline]
    pub const fn global() -> Self {
        Request {
            operation: Operation::Global,
            space: SpaceId::KERNEL,
            start: 0,
            end: 0,
        }
    }

    /// Every CPU's caches.
    #[inline]
    pub const fn cache() -> Self {
        Request {
            operation: Operation::Cache,
            space: SpaceId::KERNEL,
            start: 0,
            end: 0,
        }
    }

    /// A request copied from its words, by a handler.
    #[inline(always)]
    pub(crate) const fn from_words(operation: Operation, space: u32, start: u64, end: u64) -> Self {
        Request {
            operation,
            space: SpaceId(space),
            start,
            end,
        }
    }

    /// What to do.
    #[inline(always)]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The space it is about; the kernel's for `Global` and `Cache`.
    #[inline(always)]
    pub const fn space_id(&self) -> SpaceId {
        self.space
    }

    /// The first page's address; 0 where the operation has none.
    #[inline(always)]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The exclusive end; 0 where the operation has none, and for the last page there is.
    #[inline(always)]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Whether performing the request invalidates the translation of `va` in `space`.
    pub const fn contains(&self, space: SpaceId, va: u64) -> bool {
        match self.operation {
            Operation::Global => true,
            Operation::Cache => false,
            Operation::Space => self.space.0 == space.0,
            Operation::Page | Operation::Range => {
                // Differences modulo 2^64, so that the last page's end of 0 is right.
                self.space.0 == space.0
                    && va.wrapping_sub(self.start) < self.end.wrapping_sub(self.start)
            }
        }
    }
}

impl Request {
    /// Whether performing this does all that performing `other` does, on each CPU; and the CPUs
    /// that may need `other` are among those that may need this.
    pub const fn includes(&self, other: &Request) -> bool {
        match (self.operation, other.operation) {
            (Operation::Cache, Operation::Cache) => true,
            (Operation::Cache, _) | (_, Operation::Cache) => false,
            (Operation::Global, _) => true,
            (_, Operation::Global) => false,
            (Operation::Space, _) => self.space.0 == other.space.0,
            (_, Operation::Space) => false,
            _ => {
                self.contains(other.space, other.start)
                    && self.contains(other.space, other.end.wrapping_sub(1))
            }
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            Operation::Global | Operation::Cache => write!(f, "{}", self.operation),
            Operation::Space => write!(f, "space {}", self.space),
            Operation::Page => write!(f, "page {:#x} of space {}", self.start, self.space),
            Operation::Range => {
                write!(
                    f,
                    "range {:#x}..{:#x} of space {}",
                    self.start, self.end, self.space
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
