//! Witnesses: programs that read pages over and over and publish what they saw, so that the kernel
//! can tell whether a TLB still held a translation after its shootdown had returned.
//!
//! **What a witness does.** Round after round it counts the round as begun, with a locked
//! instruction; reads every page that it watches and stores what it saw; counts the round as
//! completed; in this order in memory.
//!
//! **What proves staleness.** Take a [`Mark`] after the shootdown returned: it holds the rounds that
//! each witness had begun by then. A round that is not in the mark began, locked, after the mark was
//! taken, so all its reads came after the shootdown had returned. If such a round saw anything but
//! what the page table led to all the time since, it went through a dead translation.
//!
//! **What does not.** A round in the mark may have read before the shootdown: what it saw says
//! nothing, old or new. A page that was changed again since the mark may show either content. A
//! fresh read does not prove that the shootdown was needed: the TLB may not have held the page; see
//! [`Witnesses::expect`] before the change for one that did. And a stale translation whose frame was
//! given out again shows a stranger's tag, maybe a newer one: only equality is fresh.

use super::{Group, NotLaunched, Running, STOP_US, wait_until};
use crate::console;
use crate::space::Space;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use hw::clock;
use hw::phys::PAGE_SIZE;
use hw::programs::{Program, block};
use shootdown::{CpuId, CpuSet, MAX_CPUS};

/// What witnesses watch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// The first page.
    pub first: u64,
    /// How many pages, 1 to [`Watch::MAX_PAGES`]; each must be mapped while they run.
    pub pages: usize,
    /// How many pages from one to the next.
    pub stride: u64,
    /// After how many rounds a witness lets other threads of its CPU run; 0 for never, so that it is
    /// in ring 3 all the time.
    pub turn: u64,
}

impl Watch {
    /// The most pages.
    pub const MAX_PAGES: usize = block::WATCHED;

    /// One page, watched all the time.
    pub const fn page(page: u64) -> Watch {
        Watch {
            first: page,
            pages: 1,
            stride: 1,
            turn: 0,
        }
    }

    /// The address of the page numbered `page`.
    pub const fn address(&self, page: usize) -> u64 {
        self.first + page as u64 * self.stride * PAGE_SIZE
    }
}

/// A witness on each of some CPUs, all of the same pages.
#[derive(Debug)]
pub struct Witnesses {
    group: Group,
    watch: Watch,
}

/// The rounds that each witness had begun at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark([u64; MAX_CPUS]);

/// Why a page is not known to be fresh everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// Proof: a read that began after the mark saw something else.
    Stale {
        /// Who read.
        cpu: CpuId,
        /// The page.
        page: u64,
        /// What the page table led to.
        expected: u64,
        /// What it saw.
        saw: u64,
    },
    /// It has not completed a round that began after the mark, in all the time it was given.
    Silent(CpuId),
    /// It has ended: it took an exception, or was stopped.
    Ended(CpuId),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Stale {
                cpu,
                page,
                expected,
                saw,
            } => {
                write!(
                    f,
                    "stale read: CPU {cpu} saw {saw:#x} at {page:#x}, where {expected:#x} was"
                )
            }
            Doubt::Silent(cpu) => write!(f, "the witness on CPU {cpu} completed no round in time"),
            Doubt::Ended(cpu) => write!(f, "the witness on CPU {cpu} has ended"),
        }
    }
}

impl Witnesses {
    /// Starts one on each of `cpus`.
    ///
    /// # Errors
    /// [`NotLaunched`].
    ///
    /// # Panics
    /// If `watch` is out of range.
    pub fn launch(
        space: &Arc<Space>,
        cpus: CpuSet,
        watch: Watch,
    ) -> Result<Witnesses, NotLaunched> {
        assert!(
            (1..=Watch::MAX_PAGES).contains(&watch.pages),
            "a witness watches 1 to {} pages",
            Watch::MAX_PAGES
        );
        let arguments = [watch.first, watch.pages as u64, watch.stride, watch.turn];
        let program = Program::find("witness").ok_or(NotLaunched::Unknown)?;
        Ok(Witnesses {
            group: Group::launch(space, program, &arguments, cpus)?,
            watch,
        })
    }

    /// What they watch.
    pub fn watch(&self) -> Watch {
        self.watch
    }

    /// The rounds that each has begun by now. Proves nothing of a shootdown that has not returned.
    pub fn mark(&self) -> Mark {
        let mut begun = [0; MAX_CPUS];
        for witness in self.group.members() {
            begun[witness.cpu().index()] = witness.word(block::BEGUN);
        }
        Mark(begun)
    }

    /// What the witness on each CPU last saw at the page numbered `page`, if it completed a round
    /// that began after `mark`. Never waits.
    pub fn seen_since(
        &self,
        mark: &Mark,
        page: usize,
    ) -> impl Iterator<Item = (CpuId, Option<u64>)> {
        let begun = mark.0;
        self.group
            .members()
            .iter()
            .map(move |witness| (witness.cpu(), seen_since(witness, begun, page)))
    }

    /// Waits, for `us` microseconds at most or until Ctrl-C, until every witness has read the page
    /// numbered `page` in a round that begins from now on, and checks that each saw `expected`. The
    /// page's content must stay that meanwhile.
    ///
    /// Called before a change it proves that each went through the translation that is to die.
    ///
    /// # Errors
    /// The first [`Doubt`].
    pub fn expect(&self, page: usize, expected: u64, us: u64) -> Result<(), Doubt> {
        let mark = self.mark();
        let deadline = clock::Deadline::after_us(us);
        for witness in self.group.members() {
            let cpu = witness.cpu();
            wait_until(
                || witness.is_done() || seen_since(witness, mark.0, page).is_some(),
                || deadline.expired() || console::interrupted(),
            );
            match seen_since(witness, mark.0, page) {
                Some(saw) if saw == expected => {}
                Some(saw) => {
                    return Err(Doubt::Stale {
                        cpu,
                        page: self.watch.address(page),
                        expected,
                        saw,
                    });
                }
                None if witness.is_done() => return Err(Doubt::Ended(cpu)),
                None => return Err(Doubt::Silent(cpu)),
            }
        }
        Ok(())
    }

    /// How many reads saw a freed frame, whoever expected what: each is proof of a dead translation.
    pub fn freed(&self) -> u64 {
        self.group
            .members()
            .iter()
            .map(|witness| witness.word(block::RESULT))
            .sum()
    }

    /// Says what those on `cpus` are to see at the page numbered `page`, from their next reads on:
    /// [`block::ABSENT`] where nothing is mapped, 0 for nothing in particular.
    ///
    /// A witness tells of a read that found something else while the same was said before it and
    /// after it (see [`call::STALE`](hw::programs::call::STALE)).
    pub fn say(&self, page: usize, cpus: CpuSet, expected: u64) {
        for witness in self.group.members() {
            if cpus.contains(witness.cpu()) {
                witness.put(block::EXPECTED + page % block::WATCHED, expected);
            }
        }
    }

    /// What each witness last saw at the page numbered `page`, whenever that was.
    pub fn seen(&self, page: usize) -> impl Iterator<Item = (CpuId, u64)> {
        let seen = move |witness: &Running| {
            let word = block::SEEN + page % block::WATCHED;
            (witness.cpu(), witness.word(word))
        };
        self.group.members().iter().map(seen)
    }

    /// How many reads on each CPU found what must not be seen any more.
    pub fn stale(&self) -> impl Iterator<Item = (CpuId, u64)> {
        let count = |witness: &Running| (witness.cpu(), witness.word(block::RESULT + 2));
        self.group.members().iter().map(count)
    }

    /// Each witness: its CPU, the rounds that it completed, and whether it has ended.
    pub fn rounds(&self) -> impl Iterator<Item = (CpuId, u64, bool)> {
        let rounds = |witness: &Running| (witness.cpu(), witness.rounds(), witness.is_done());
        self.group.members().iter().map(rounds)
    }

    /// Stops them all. Returns how each ended; `None` for one that does not.
    pub fn stop(self) -> Vec<(CpuId, Option<super::Ending>)> {
        self.group.stop();
        let deadline = clock::Deadline::after_us(STOP_US);
        self.group.wait_unless(|| deadline.expired());
        self.group
            .members()
            .iter()
            .map(|witness| (witness.cpu(), witness.ending()))
            .collect()
    }
}

fn seen_since(witness: &Running, begun: [u64; MAX_CPUS], page: usize) -> Option<u64> {
    // The count first: what is read after it is that round's, or a later one's.
    let completed = witness.rounds();
    (completed > begun[witness.cpu().index()])
        .then(|| witness.word(block::SEEN + page % block::WATCHED))
}
