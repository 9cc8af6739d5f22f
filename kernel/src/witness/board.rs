//! What each watched page must show, and what witnesses found instead.

use crate::ledger;
use crate::programs::{Mark, Witnesses};
use crate::space::Space;
use crate::{machine, stop};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use hw::clock;
use hw::frames::POISON;
use hw::phys::PAGE_SIZE;
use hw::programs::block::{ABSENT, WITNESSED};
use shell::observation::Violation;
use shootdown::{Acknowledged, CpuId, CpuSet, MAX_CPUS, SpaceId};

/// How many earlier states of a page are remembered.
const PAST: usize = 8;
/// How many finds are kept with all they say; more are only counted.
const KEPT: usize = 32;

/// Pages of one space, and who reads them.
pub(super) struct Board {
    space: Arc<Space>,
    witnesses: Witnesses,
    pages: Vec<Page>,
    /// The changes begun and ended.
    stamp: u64,
    finds: Vec<Find>,
    found: u64,
    written: u64,
}

struct Page {
    address: u64,
    /// How many changes of its entry are under way.
    changing: u32,
    /// When the last of them began or ended.
    stamp: u64,
    /// The CPUs that must see [`now`](Page::now).
    settled: CpuSet,
    /// What `settled` was before the changes that are under way.
    was_settled: CpuSet,
    now: State,
    past: VecDeque<State>,
}

/// What a page is to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    seen: u64,
    frame: Option<u64>,
    /// The generation of the shootdown that settled it, if it asked anybody.
    generation: Option<u32>,
    initiator: Option<CpuId>,
    /// When that had returned.
    at: u64,
}

/// A read through a dead translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Find {
    /// Where.
    pub cpu: CpuId,
    /// The page.
    pub address: u64,
    /// What was read; [`ABSENT`] for a page fault.
    pub seen: u64,
    /// The frame that it was read from, as far as the past tells.
    pub old_frame: Option<u64>,
    /// What was to be read.
    pub expected: u64,
    /// The frame it was to be read from; `None` if nothing is mapped.
    pub new_frame: Option<u64>,
    /// The generation of the shootdown that had returned.
    pub generation: Option<u32>,
    /// Who had made it.
    pub initiator: Option<CpuId>,
    /// How many ticks before the read was told it had returned; `None` if that is forgotten.
    pub age: Option<u64>,
}

impl Find {
    /// What kind of read it is, as a noun phrase.
    pub fn what(&self) -> &'static str {
        match (self.seen, self.expected) {
            (POISON, _) => "read of a freed frame",
            (ABSENT, _) => "page fault on a mapped page",
            (_, ABSENT) => "read of an unmapped page",
            _ => "stale read",
        }
    }

    /// As a violation: of no invariant, since a read does not tell which was broken before it.
    pub fn violation(&self) -> Violation {
        Violation {
            invariant: None,
            cpu: self.cpu,
            what: self.what(),
            address: Some(self.address),
        }
    }
}

impl fmt::Display for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on CPU {} at {:#x}",
            self.what(),
            self.cpu,
            self.address
        )?;
        if let Some(age) = self.age {
            write!(f, ", {age} ticks after the shootdown")?;
        }
        if let Some(initiator) = self.initiator {
            write!(f, " of CPU {initiator}")?;
        }
        if let Some(generation) = self.generation {
            write!(f, ", generation {generation},")?;
        }
        f.write_str(" returned")
    }
}

/// What there is to say of the witnesses.
#[derive(Clone, Debug)]
pub struct Status {
    /// The space.
    pub space: SpaceId,
    /// Each witness: its CPU, rounds completed, whether it has ended, stale reads.
    pub witnesses: Vec<(CpuId, u64, bool, u64)>,
    /// Each page.
    pub pages: Vec<PageView>,
    /// CPUs that have not read every page since the look began; those that stand still, or whose
    /// witness has ended, are not among them.
    pub silent: CpuSet,
    /// CPUs that stand still.
    pub standing: CpuSet,
    /// The first finds.
    pub finds: Vec<Find>,
    /// How many there are in all.
    pub found: u64,
    /// How often a page was found to have been written to, and nothing could be said.
    pub written: u64,
}

/// A page, as the board has it.
#[derive(Clone, Debug)]
pub struct PageView {
    /// Its address.
    pub address: u64,
    /// What every CPU of `settled` must see; [`ABSENT`] if nothing is mapped.
    pub expected: u64,
    /// The CPUs that must.
    pub settled: CpuSet,
    /// What each witness saw last.
    pub seen: Vec<(CpuId, u64)>,
}

impl Board {
    pub(super) fn new(space: Arc<Space>, witnesses: Witnesses) -> Board {
        let watch = witnesses.watch();
        let page = |number| {
            let address = watch.address(number);
            Page {
                address,
                changing: 0,
                stamp: 0,
                settled: CpuSet::EMPTY,
                was_settled: CpuSet::EMPTY,
                now: state(&space, address),
                past: VecDeque::with_capacity(PAST),
            }
        };
        let pages = (0..watch.pages).map(page).collect();
        Board {
            space,
            witnesses,
            pages,
            stamp: 0,
            finds: Vec::with_capacity(KEPT),
            found: 0,
            written: 0,
        }
    }

    pub(super) fn space(&self) -> &Arc<Space> {
        &self.space
    }

    pub(super) fn stamp(&self) -> u64 {
        self.stamp
    }

    pub(super) fn mark(&self) -> Mark {
        self.witnesses.mark()
    }

    pub(super) fn stop(self) {
        drop(self.witnesses.stop());
    }

    fn overlapping(&self, space: SpaceId, page: u64, pages: u64) -> core::ops::Range<usize> {
        if space != self.space.id() {
            return 0..0;
        }
        let end = page.saturating_add(pages.saturating_mul(PAGE_SIZE));
        let first = self.pages.partition_point(|one| one.address < page);
        let past = self.pages.partition_point(|one| one.address < end);
        first..past.max(first)
    }

    /// A change begins. Returns whether it is of a watched page.
    pub(super) fn begin(&mut self, space: SpaceId, page: u64, pages: u64) -> bool {
        let range = self.overlapping(space, page, pages);
        self.stamp += 1;
        for number in range.clone() {
            self.witnesses.say(number, CpuSet::first(MAX_CPUS), 0);
            let page = &mut self.pages[number];
            if page.changing == 0 {
                page.was_settled = page.settled;
            } else {
                page.was_settled = CpuSet::EMPTY;
            }
            page.changing += 1;
            page.settled = CpuSet::EMPTY;
            page.stamp = self.stamp;
        }
        !range.is_empty()
    }

    /// A change has ended. `as_before`: it took no translation away.
    pub(super) fn end(&mut self, space: SpaceId, page: u64, pages: u64, as_before: bool) {
        let range = self.overlapping(space, page, pages);
        self.stamp += 1;
        for number in range {
            let page = &mut self.pages[number];
            page.changing = page.changing.saturating_sub(1);
            page.stamp = self.stamp;
            if !as_before {
                page.was_settled = CpuSet::EMPTY;
            } else if page.changing == 0 {
                let (settled, now) = (page.was_settled, page.now);
                self.settle(number, settled, now.generation, now.initiator);
            }
        }
    }

    /// A shootdown has returned that began when the stamp was `stamp`.
    pub(super) fn returned(&mut self, stamp: u64, proof: &Acknowledged) {
        let cpus = if proof.complete() {
            CpuSet::first(MAX_CPUS)
        } else {
            let local = proof.local().then_some(proof.initiator());
            proof
                .targets()
                .or(local.map_or(CpuSet::EMPTY, CpuSet::only))
        };
        for number in 0..self.pages.len() {
            let page = &self.pages[number];
            let covered = proof.request().contains(self.space.id(), page.address);
            if covered && page.changing == 0 && page.stamp <= stamp {
                self.settle(number, cpus, proof.generation(), Some(proof.initiator()));
            }
        }
    }

    /// From now on `cpus` must see what is mapped at the page numbered `number`.
    fn settle(
        &mut self,
        number: usize,
        cpus: CpuSet,
        generation: Option<u32>,
        initiator: Option<CpuId>,
    ) {
        let page = &mut self.pages[number];
        let now = State {
            generation,
            initiator,
            ..state(&self.space, page.address)
        };
        if (now.seen, now.frame) != (page.now.seen, page.now.frame) {
            if page.past.len() == PAST {
                page.past.pop_front();
            }
            page.past.push_back(page.now);
        }
        page.now = now;
        page.settled = page.settled.or(cpus);
        self.witnesses.say(number, cpus, now.seen);
    }

    /// Settles the pages whose past is over on every CPU.
    pub(super) fn settle_quiet(&mut self) {
        for number in 0..self.pages.len() {
            let page = &self.pages[number];
            let quiet = |cpu: &CpuId| {
                let other = hw::percpu::of(*cpu).current_space() != self.space.id().0;
                other || ledger::quiet(&self.space, page.address, *cpu)
            };
            let cpus = machine::started().into_iter().filter(quiet);
            let cpus = cpus.fold(CpuSet::EMPTY, |all, cpu| all.or(CpuSet::only(cpu)));
            if page.changing == 0 && !cpus.is_empty() {
                self.settle(number, cpus, None, None);
            }
        }
    }

    /// A witness on `cpu` saw `seen` where `expected` was said. `None` if there is no such page;
    /// the find, if it is one.
    pub(super) fn judge(
        &mut self,
        cpu: CpuId,
        number: usize,
        expected: u64,
        seen: u64,
    ) -> Option<Option<Find>> {
        let page = self.pages.get(number)?;
        if !self.witnesses.rounds().any(|(witness, ..)| witness == cpu) {
            return None;
        }
        let states = || core::iter::once(&page.now).chain(page.past.iter().rev());
        let settled = page.settled.contains(cpu) && page.now.seen == expected;
        let current = state(&self.space, page.address);
        if settled && current.seen != expected {
            // Somebody wrote to the page. What it holds now is said from now on.
            let (cpus, was) = (page.settled, page.now);
            self.written += 1;
            self.settle(number, cpus, was.generation, was.initiator);
            return Some(None);
        }
        let known = states().find(|state| state.seen == expected);
        let old = states().skip(1).find(|state| state.seen == seen);
        // A freed frame says no more whose it was: the page's last one, most likely.
        let before = states().skip_while(|state| state.seen != expected).nth(1);
        let old = old.or(before.filter(|_| seen == POISON));
        if !settled && old.is_none() && !matches!(seen, POISON | ABSENT) {
            return Some(None);
        }
        let find = Find {
            cpu,
            address: page.address,
            seen,
            old_frame: old.and_then(|state| state.frame),
            expected,
            new_frame: known.and_then(|state| state.frame),
            generation: known.and_then(|state| state.generation),
            initiator: known.and_then(|state| state.initiator),
            age: known.map(|state| clock::raw().saturating_sub(state.at)),
        };
        self.found += 1;
        if self.finds.len() < KEPT {
            self.finds.push(find);
        }
        Some(Some(find))
    }

    pub(super) fn status(&self, mark: &Mark) -> Status {
        let standing = stop::stopped().or(crate::park::parked());
        let fresh = |cpu: CpuId| {
            self.witnesses
                .seen_since(mark, 0)
                .any(|(witness, seen)| witness == cpu && seen.is_some())
        };
        let mut silent = CpuSet::EMPTY;
        let mut witnesses = Vec::new();
        for ((cpu, rounds, ended), (_, stale)) in
            self.witnesses.rounds().zip(self.witnesses.stale())
        {
            if !ended && !standing.contains(cpu) && !fresh(cpu) {
                silent = silent.or(CpuSet::only(cpu));
            }
            witnesses.push((cpu, rounds, ended, stale));
        }
        Status {
            space: self.space.id(),
            witnesses,
            pages: (0..self.pages.len()).map(|page| self.view(page)).collect(),
            silent,
            standing,
            finds: self.finds.clone(),
            found: self.found,
            written: self.written,
        }
    }

    fn view(&self, number: usize) -> PageView {
        let page = &self.pages[number];
        PageView {
            address: page.address,
            expected: page.now.seen,
            settled: page.settled.and(machine::started()),
            seen: self.witnesses.seen(number).collect(),
        }
    }
}

/// What the page at `address` holds for a witness now.
fn state(space: &Space, address: u64) -> State {
    let found = space.look_closely(address + WITNESSED);
    State {
        seen: found.map_or(ABSENT, |(_, seen)| seen),
        frame: found.map(|(entry, _)| entry.frame()),
        generation: None,
        initiator: None,
        at: clock::raw(),
    }
}
