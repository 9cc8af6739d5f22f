//! The pages of a storm, and what a read of one of them proves.
//!
//! Every frame is filled with a *tag*: which page it was made for, and in which round. An
//! initiator owns a block of pages and changes all of it once a round, so a block's tags rise, and
//! whoever reads through a dead translation sees a tag that is too low, another page's (the frame
//! was freed and given out again), or the poison of a free frame.

use crate::random::Random;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use hw::frames::POISON;
use hw::phys::PAGE_SIZE;
use hw::{percpu, probe};
use shootdown::{CpuId, CpuSet};

/// The upper bits of every tag, which nothing else in memory is likely to hold.
const MARK: u64 = 0x5707 << 48;
/// The random sequence that places the blocks.
const LAYOUT: u64 = 0x6c61_796f_7574;
/// The lowest address of a block, and how many pages above it the first may begin.
const LOWEST: u64 = 0x10_0000_0000;
const SPREAD: u64 = 1 << 22;
/// The most pages that are left free between two blocks. Few: pages that lie close together do not
/// displace each other in an emulator's TLB, where 4 MiB strides do.
const GAP: u64 = 8;

/// The pages that one initiator changes; side by side, so that one request covers them.
#[derive(Debug)]
#[repr(align(64))]
pub struct Block {
    /// The CPU that changes them.
    pub owner: CpuId,
    /// The first page.
    pub base: u64,
    /// How many.
    pub pages: u64,
    /// The number of the first page among all pages of the storm.
    first: u64,
    /// The last round whose shootdown has returned.
    committed: AtomicU64,
}

/// A read that must not have happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Where it was read.
    pub cpu: CpuId,
    /// What was read.
    pub address: u64,
    /// The oldest tag it may have had.
    pub expected: u64,
    /// The word, if the read did not fault.
    pub seen: Option<u64>,
    /// What that is.
    pub why: Why,
}

/// How a read was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The page's own frame of an earlier round.
    Stale,
    /// A free frame.
    Freed,
    /// A frame that is another page's by now.
    Foreign,
    /// A page fault on a page that is mapped throughout.
    Fault,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Stale => "stale",
            Why::Freed => "a freed frame",
            Why::Foreign => "another page's frame",
            Why::Fault => "page fault",
        })
    }
}

impl From<Violation> for shell::observation::Violation {
    /// Of no invariant: a read does not tell which was broken on the way to it.
    fn from(violation: Violation) -> Self {
        shell::observation::Violation {
            invariant: None,
            cpu: violation.cpu,
            what: match violation.why {
                Why::Stale => "stale read",
                Why::Freed => "read of a freed frame",
                Why::Foreign => "read of another page's frame",
                Why::Fault => "page fault on a mapped page",
            },
            address: Some(violation.address),
        }
    }
}

/// A block for each of `initiators`, in an order and at addresses drawn from the seed.
pub fn layout(initiators: CpuSet, pages: u64) -> Vec<Block> {
    let mut random = Random::new(LAYOUT);
    let mut owners: Vec<CpuId> = initiators.into_iter().collect();
    for last in (1..owners.len()).rev() {
        owners.swap(last, random.below(last as u64 + 1) as usize);
    }
    let mut base = LOWEST + random.below(SPREAD) * PAGE_SIZE;
    let place = |(number, owner)| {
        let block = Block {
            owner,
            base,
            pages,
            first: number as u64 * pages,
            committed: AtomicU64::new(0),
        };
        base += (pages + 1 + random.below(GAP)) * PAGE_SIZE;
        block
    };
    owners.into_iter().enumerate().map(place).collect()
}

impl Block {
    /// The tags of its pages in round `round`, in order.
    pub fn tags(&self, round: u64) -> impl Iterator<Item = u64> {
        (self.first..self.first + self.pages).map(move |page| tag(page, round))
    }

    /// From now on no read may see a round before `round`: its shootdown has returned.
    pub fn commit(&self, round: u64) {
        self.committed.store(round, Release);
    }

    /// The last round that was committed.
    pub fn committed(&self) -> u64 {
        self.committed.load(Relaxed)
    }

    /// Reads its page `number` through the TLB of the CPU this runs on, and judges what it sees.
    ///
    /// The judgement is sound. The round is read first; if it is r, the shootdown of r had
    /// returned, so every CPU on which the space was active had acknowledged it. A CPU that
    /// acknowledged runs nothing but its handler until it has invalidated, so the read below, on
    /// whichever CPU the thread is by then, comes after the invalidation there; and a CPU on which
    /// the space was not active has loaded CR3 since, after the entry was changed (I8). Either way
    /// the read goes through a translation made from r's entry or a later one. An interrupt or a
    /// preemption between the two loads only makes the read later. A later round than r is
    /// therefore right as well, and is not looked at more closely.
    ///
    /// # Errors
    /// What was wrong.
    pub fn check(&self, number: u64) -> Result<(), Violation> {
        let expected = tag(self.first + number, self.committed.load(Acquire));
        let address = self.base + number * PAGE_SIZE;
        let seen = probe::read(address).ok();
        match judge(expected, seen) {
            None => Ok(()),
            Some(why) => Err(Violation {
                cpu: percpu::cpu(),
                address,
                expected,
                seen,
                why,
            }),
        }
    }
}

fn tag(page: u64, round: u64) -> u64 {
    MARK | page << 32 | round
}

/// What is wrong with a page that was `seen` when it had to be `expected` or later.
fn judge(expected: u64, seen: Option<u64>) -> Option<Why> {
    match seen {
        None => Some(Why::Fault),
        Some(POISON) => Some(Why::Freed),
        Some(seen) if seen >> 32 != expected >> 32 => Some(Why::Foreign),
        Some(seen) if seen < expected => Some(Why::Stale),
        Some(_) => None,
    }
}
