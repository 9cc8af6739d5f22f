//! What a shootdown costs, against the bare interrupt that it cannot do without.
//!
//! Ticks are the time-stamp counter's. Under icount they are instructions, exact and repeatable;
//! elsewhere they depend on the host, and only ratios of one run mean anything.

pub mod trace;

use crate::job::{self, Job, NoResult};
use crate::programs::{self, Group, Program};
use crate::space::Space;
use crate::{console, protocols};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use hw::paging::Rights;
use hw::phys::PAGE_SIZE;
use hw::{clock, percpu};
use shootdown::{CpuSet, Request, SpaceId, Targets};

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
    let shootdown = timed(|| {
        let _ = protocols::shoot(request, Targets::Active);
    });
    Ok(RoundTrip {
        targets,
        floor,
        shootdown,
    })
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
