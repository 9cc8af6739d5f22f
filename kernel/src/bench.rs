//! What a shootdown costs, against the bare interrupt that it cannot do without.
//!
//! Ticks are the time-stamp counter's. Under icount they are instructions, exact and repeatable;
//! elsewhere they depend on the host, and only ratios of one run mean anything.

pub mod trace;

use crate::job::{self, Job, NoResult};
use crate::programs::{self, Group, Program};
use crate::space::Space;
use crate::{console, machine, protocols};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use hw::clock;
use hw::paging::Rights;
use hw::percpu::{self, Counter};
use hw::phys::PAGE_SIZE;
use shootdown::{CpuId, CpuSet, Request, SpaceId, Targets};

/// How often each thing is done; the median counts.
const TIMES: usize = 101;
/// A page that conflicts with nothing of the kernel's in the emulator's TLB.
const PAGE: u64 = 0x4012_3000;

/// One comparison of a shootdown with the floor.
#[derive(Clone, Copy, Debug)]
pub struct RoundTrip {
    /// The CPUs asked.
    pub targets: CpuSet,
    /// Ticks of a bare interrupt's round trip: send, handler, acknowledge.
    pub floor: u64,
    /// Ticks of a one-page shootdown.
    pub shootdown: u64,
    /// Writes of the interrupt command register, or calls of the hypervisor in their place, that it takes.
    pub icr_writes: u64,
}

fn median(mut ticks: Vec<u64>) -> u64 {
    ticks.sort_unstable();
    ticks.get(ticks.len() / 2).copied().unwrap_or(0)
}

fn timed(mut what: impl FnMut()) -> u64 {
    let times = (0..TIMES).map(|_| {
        let begun = clock::now();
        what();
        clock::now() - begun
    });
    median(times.collect())
}

/// A shootdown of one page in the space that this CPU uses.
fn one_page() -> Request {
    Request::page(SpaceId(percpu::space()), PAGE).expect("a canonical address")
}

/// Measures against each of `targets` from the CPU that this runs on, which is not one of them, in
/// the space that it uses: one that is active on just these CPUs.
///
/// # Errors
/// The CPUs that do not answer.
pub fn round_trip(targets: CpuSet) -> Result<RoundTrip, CpuSet> {
    job::test(targets)?;
    let floor = timed(|| job::bare_round_trip(targets));
    let request = one_page();
    // Nothing was unmapped, so there is nothing that the proof would be for.
    let shoot = || {
        let _ = protocols::shoot(request, Targets::Active);
    };
    let shootdown = timed(shoot);
    let icr_writes = || percpu::of(percpu::cpu()).counted(Counter::IcrWrites);
    let before = icr_writes();
    shoot();
    Ok(RoundTrip {
        targets,
        floor,
        shootdown,
        icr_writes: icr_writes() - before,
    })
}

/// What hardware makes of things that the emulator counts as one instruction, or not at all, in instructions: an
/// INVLPG, and the page walk that refills one entry of a TLB. Rough figures; Linux's default limit for invalidating
/// page by page, 33 pages, comes from such a comparison.
const INVLPG: u64 = 200;
const REFILL: u64 = 30;
/// How many translations of the space a CPU uses again and again. After a flush it has to refill so many entries.
const WORKING_SET: u64 = 64;
/// How many shootdowns are made for `bench lazy`, one after the other.
pub const IN_A_ROW: u64 = 20;

/// What several shootdowns cost, all CPUs together, each time.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Ticks until the initiator went on.
    pub ticks: u64,
    /// Shootdown interrupts that arrived.
    pub interrupts: u64,
    /// INVLPGs.
    pub invlpgs: u64,
    /// Flushes of a space or of everything.
    pub flushes: u64,
}

impl Cost {
    /// In instructions, with what hardware adds: the INVLPGs, and refilling the TLB after a flush.
    pub fn modelled(&self) -> u64 {
        self.ticks + INVLPG * self.invlpgs + REFILL * WORKING_SET * self.flushes
    }
}

/// How often `what` is done for a [`Cost`].
const REPETITIONS: u64 = 11;

/// What `what` costs.
fn cost(mut what: impl FnMut()) -> Cost {
    let counted = || {
        [Counter::IpisReceived, Counter::Invlpgs, Counter::Flushes].map(|counter| {
            let of = |cpu| percpu::of(cpu).counted(counter);
            machine::online().into_iter().map(of).sum::<u64>()
        })
    };
    // What is done for the first time only is not counted.
    what();
    let before = counted();
    let begun = clock::now();
    for _ in 0..REPETITIONS {
        what();
    }
    let ticks = clock::now() - begun;
    let after = counted();
    let each = |index: usize| (after[index] - before[index]) / REPETITIONS;
    Cost {
        ticks: ticks / REPETITIONS,
        interrupts: each(0),
        invlpgs: each(1),
        flushes: each(2),
    }
}

/// A program that has changed pages: which, as `first` and how many, one change after the other.
#[derive(Clone, Copy, Debug)]
pub struct Changes {
    /// The name by which tables know it.
    pub name: &'static str,
    /// Of each change: its first page, counted from one that is the same for all, and how many pages.
    pub ranges: &'static [(u64, u64)],
}

impl Changes {
    fn requests(&self) -> Vec<Request> {
        let range = |&(first, pages): &(u64, u64)| range(first, first + pages);
        self.ranges.iter().map(range).collect()
    }
}

/// The pages from `first` up to `end` of the space that this CPU uses.
fn range(first: u64, end: u64) -> Request {
    let at = |page| PAGE + page * PAGE_SIZE;
    Request::range(SpaceId(percpu::space()), at(first), at(end)).expect("canonical addresses")
}

/// What it costs to shoot `changes` by the protocol in use, which may gather them, from the CPU that this runs on.
pub fn gathered(changes: &Changes) -> Cost {
    let requests = changes.requests();
    cost(|| {
        let _ = protocols::shoot_gathered(&requests, Targets::Active);
    })
}

/// The same without asking the protocol: each by a shootdown of its own, all by one of the pages from the first to the
/// last, and by one of the whole space.
pub fn known_ways(changes: &Changes) -> [(&'static str, Cost); 3] {
    let requests = changes.requests();
    let shoot = |request| {
        let _ = protocols::shoot(request, Targets::Active);
    };
    let first = changes.ranges.iter().map(|range| range.0).min();
    let end = changes.ranges.iter().map(|range| range.0 + range.1).max();
    let span = range(first.unwrap_or(0), end.unwrap_or(1));
    let space = Request::space(SpaceId(percpu::space()));
    [
        ("each", cost(|| requests.iter().copied().for_each(shoot))),
        ("span", cost(|| shoot(span))),
        ("space", cost(|| shoot(space))),
    ]
}

/// How many interrupts [`IN_A_ROW`] shootdowns of a page cost, from the CPU that this runs on, in the space that it
/// uses.
pub fn in_a_row() -> u64 {
    let arrived = || {
        let of = |cpu| percpu::of(cpu).counted(Counter::IpisReceived);
        machine::online().into_iter().map(of).sum::<u64>()
    };
    let before = arrived();
    let request = one_page();
    for _ in 0..IN_A_ROW {
        let _ = protocols::shoot(request, Targets::Active);
    }
    arrived() - before
}

/// A thread of a space that runs on a CPU until this is dropped.
#[derive(Debug)]
pub struct Busy {
    ends: Arc<AtomicBool>,
    job: Option<Job<()>>,
}

impl Busy {
    /// Starts one, and waits until it runs.
    ///
    /// # Errors
    /// If it does not.
    pub fn start(space: &Arc<Space>, cpu: CpuId) -> Result<Busy, NoResult> {
        let (begun, ends) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (says, until) = (begun.clone(), ends.clone());
        let job = job::start("busy", cpu, Some(space.clone()), move || {
            says.store(true, Release);
            while !until.load(Acquire) {
                clock::compute();
            }
        })?;
        while !begun.load(Acquire) {
            crate::thread::doze();
        }
        Ok(Busy {
            ends,
            job: Some(job),
        })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.ends.store(true, Release);
        if let Some(job) = self.job.take() {
            // Nothing is expected of it but that it ends.
            let _ = job.wait();
        }
    }
}

/// Initiators that all begin when the last of them has arrived.
#[derive(Debug, Default)]
struct Race {
    arrived: AtomicU64,
    begun: AtomicU64,
    finished: AtomicU64,
    ended: AtomicU64,
}

impl Race {
    fn begin(&self, runners: u64) {
        if self.arrived.fetch_add(1, AcqRel) + 1 == runners {
            self.begun.store(clock::now(), Relaxed);
        }
        while self.arrived.load(Acquire) < runners {
            spin_loop();
        }
    }

    fn finish(&self, runners: u64) {
        if self.finished.fetch_add(1, AcqRel) + 1 == runners {
            self.ended.store(clock::now(), Relaxed);
        }
    }
}

/// How many ticks pass while each of `initiators` makes `rounds` one-page shootdowns of everybody
/// else, all at once, by the protocol in use.
///
/// # Errors
/// An initiator without a result.
pub fn at_once(space: &Arc<Space>, initiators: CpuSet, rounds: u64) -> Result<u64, NoResult> {
    let race = Arc::new(Race::default());
    let runners = initiators.len() as u64;
    let start = |cpu| {
        let race = race.clone();
        job::start("initiator", cpu, Some(space.clone()), move || {
            let request = one_page();
            race.begin(runners);
            for _ in 0..rounds {
                // As above: the proof is for nothing.
                let _ = protocols::shoot(request, Targets::All);
            }
            race.finish(runners);
        })
    };
    let jobs: Vec<Job<()>> = initiators
        .into_iter()
        .map(start)
        .collect::<Result<_, _>>()?;
    for job in jobs {
        job.wait()?;
    }
    Ok(race.ended.load(Acquire) - race.begun.load(Acquire))
}

/// How often each program of [`revoke`] revokes.
pub const REVOCATIONS: u64 = 200;
/// The first revoker's page; the second's is the next.
const REVOKED: u64 = 0x4032_1000;
/// A PAUSE for each read: what lets an emulator with one thread for all CPUs go on to the next.
const PAUSE: u64 = 1;

/// How many ticks a ring-3 program's revocation of a right takes, system call and all, while one
/// such program runs on each of `initiators`, and on each of `readers` a program that keeps
/// reading the first one's page.
///
/// # Errors
/// A description of what did not start or did not end.
pub fn revoke(space: &Arc<Space>, initiators: CpuSet, readers: CpuSet) -> Result<u64, String> {
    space
        .map(REVOKED, initiators.len() as u64, Rights::USER_WRITE)
        .map_err(|_| "its pages cannot be mapped")?;
    let reader = Program::find("reader").ok_or("there is no program `reader`")?;
    let readers = Group::launch(space, reader, &[REVOKED, 0, PAUSE], readers)
        .map_err(|error| error.to_string())?;
    let start = |(number, cpu)| {
        let page = REVOKED + number as u64 * PAGE_SIZE;
        programs::launch_named(space, "revoke", &[page, REVOCATIONS], cpu)
            .map_err(|error| error.to_string())
    };
    let revokers: Vec<_> = initiators
        .into_iter()
        .enumerate()
        .map(start)
        .collect::<Result<_, String>>()?;
    let mut slowest = 0;
    for revoker in &revokers {
        let ending = revoker
            .wait_unless(console::interrupted)
            .ok_or("interrupted")?;
        if ending.rounds != REVOCATIONS {
            return Err(format!(
                "a program ended after {} revocations: {:?}",
                ending.rounds, ending.outcome
            ));
        }
        slowest = slowest.max(ending.ticks / ending.rounds);
    }
    readers.stop();
    readers.wait(programs::STOP_US);
    Ok(slowest)
}
