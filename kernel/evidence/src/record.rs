//! One event of one CPU, as it leaves the machine.

use crate::{Event, Place};
use shootdown::{CpuId, CpuSet, Operation, PAGE_SIZE, SpaceId};

/// What a CPU recorded. [`Event`] says what the operands are; where they would be the address of a
/// word, `a` is the word's [`Place`] instead, packed, so that equal runs leave equal records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    /// Who.
    pub cpu: CpuId,
    /// How many records of this CPU came before it, since boot.
    pub number: u64,
    /// When, in ticks of the time-stamp counter. Within a CPU mostly rising: a record that was
    /// begun before an interrupt may have been written after it.
    pub tsc: u64,
    /// What happened.
    pub event: Event,
    /// First operand.
    pub a: u64,
    /// Second operand.
    pub b: u64,
}

/// The part of a page operand that is the address.
const PAGE: u64 = !0xfff;

impl Record {
    /// Whether it is of that event.
    pub fn is(&self, event: impl Into<Event>) -> bool {
        self.event == event.into()
    }

    /// The word that it is about, if it has a name.
    pub fn place(&self) -> Option<Place> {
        if self.event.has_word() {
            Place::unpacked(self.a)
        } else {
            None
        }
    }

    /// `a` as a set of CPUs.
    pub fn cpus(&self) -> CpuSet {
        CpuSet::from_bits(self.a)
    }

    /// What was asked, or done, if the operands are a request's: of [`Kind::Begin`](crate::Kind),
    /// and of the points invalidate and local-invalidate.
    pub fn range(&self) -> Range {
        Range {
            operation: Operation::from_bits((self.a & !PAGE) as u32),
            space: SpaceId((self.b & !PAGE) as u32),
            start: self.a & PAGE,
            end: self.b & PAGE,
        }
    }

    /// The pages whose entries changed, of a pte-store.
    pub fn change(&self) -> Range {
        Range {
            operation: Some(Operation::Range),
            ..self.range()
        }
    }
}

/// The pages that a record names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Range {
    /// What is to be done with them; `None` for a number that stands for nothing.
    pub operation: Option<Operation>,
    /// The space.
    pub space: SpaceId,
    /// The first page's address; 0 where the operation has none.
    pub start: u64,
    /// The exclusive end; 0 where the operation has none, and for the last page there is.
    pub end: u64,
}

impl Range {
    /// Whether it has single pages, rather than all of a space or of every one.
    pub fn has_pages(&self) -> bool {
        matches!(self.operation, Some(Operation::Page | Operation::Range))
    }

    /// Whether the translation of the page at `page` in `space` is among what it names.
    pub fn contains(&self, space: SpaceId, page: u64) -> bool {
        match self.operation {
            None | Some(Operation::Cache) => false,
            Some(Operation::Global) => true,
            Some(Operation::Space) => self.space == space,
            Some(Operation::Page | Operation::Range) => {
                self.space == space && page.wrapping_sub(self.start) / PAGE_SIZE < self.pages()
            }
        }
    }

    /// How many pages are asked for, if it has any: the end is exclusive, and the first page is
    /// asked for whatever it says (I17).
    pub fn pages(&self) -> u64 {
        match self.operation {
            Some(Operation::Page) => 1,
            _ => (self.end.wrapping_sub(self.start) / PAGE_SIZE).max(1),
        }
    }

    /// Whether doing this does all that doing `other` does.
    pub fn includes(&self, other: &Range) -> bool {
        match (self.operation, other.operation) {
            (Some(Operation::Cache), _) | (_, Some(Operation::Cache)) => {
                self.operation == other.operation
            }
            (None, _) | (_, None) => false,
            (Some(Operation::Global), _) => true,
            (_, Some(Operation::Global)) => false,
            (Some(Operation::Space), _) => self.space == other.space,
            (_, Some(Operation::Space)) => false,
            _ => {
                self.contains(other.space, other.start)
                    && self.contains(other.space, other.end.wrapping_sub(1))
            }
        }
    }

    /// Whether it names any page that `other` names too.
    pub fn meets(&self, other: &Range) -> bool {
        if self.has_pages() && other.has_pages() {
            self.contains(other.space, other.start) || other.contains(self.space, self.start)
        } else if self.has_pages() {
            other.contains(self.space, self.start)
        } else {
            self.contains(other.space, other.start)
        }
    }
}

impl core::fmt::Display for Range {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Range { space, start, .. } = self;
        match self.operation {
            None => f.write_str("no operation"),
            Some(operation @ (Operation::Global | Operation::Cache)) => operation.fmt(f),
            Some(Operation::Space) => write!(f, "space {space}"),
            Some(Operation::Page) => write!(f, "page {start:#x} of space {space}"),
            Some(Operation::Range) => {
                write!(f, "range {start:#x}..{:#x} of space {space}", self.end)
            }
        }
    }
}
