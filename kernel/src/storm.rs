//! Storms: many CPUs initiate at once, while every CPU reads the pages that are changed.
//!
//! One address space, one thread on each CPU. An initiator changes a block of pages of its own,
//! round after round, and reads everybody's in between; the other CPUs only read. [`pages`] says
//! what a read proves, [`counts`] what must agree at the end.

mod counts;
mod pages;
mod part;

pub use counts::{Check, Counts};
pub use pages::{Violation, Why};
pub use part::{Error, Tally};

use crate::audit::Audit;
use crate::job::{self, Job};
use crate::space::{self, Space};
use crate::{console, machine, protocols, thread};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use hw::clock::{self, Deadline};
use hw::frames::{self, Frame};
use hw::paging::Rights;
use hw::phys::PAGE_SIZE;
use pages::Block;
use part::Shared;
use shootdown::CpuSet;

/// A storm in which nothing happens for so long is given up, in microseconds of the machine's
/// time: longer than any wait for an acknowledgement.
const PATIENCE_US: u64 = 60_000_000;
/// How often progress is told, in microseconds.
const PROGRESS_US: u64 = 2_000_000;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many shootdowns each initiator makes; below 2^32.
    pub rounds: u64,
    /// Who initiates; online.
    pub initiators: CpuSet,
    /// How many pages each shootdown is about.
    pub pages: u64,
}

/// What came of a storm.
#[derive(Debug)]
pub struct Outcome {
    /// The CPUs' own accounts.
    pub tallies: Vec<Tally>,
    /// The CPUs that did not finish. Their threads are left to them, and the space with them.
    pub unfinished: CpuSet,
    /// From the start of all initiators to the end of the last.
    pub ticks: u64,
    /// What the CPUs counted meanwhile.
    pub counts: Counts,
    /// The most requests that one interrupt served.
    pub most_served: u64,
    /// What had to agree. Empty if a wait was given up on the way: a request was made twice then,
    /// and nothing need agree.
    pub checks: Vec<Check>,
    /// What was left behind, in words.
    pub left_behind: Option<String>,
    /// How many reads were violations.
    pub violations: u64,
    /// The first of them.
    pub first_violations: Vec<Violation>,
}

/// Runs a storm by the protocol in use, from the shell's thread. `progress` is told now and then
/// how many shootdowns were made; Ctrl-C ends the storm after the round.
///
/// # Errors
/// In words: there is no memory for the pages, or no address space.
pub fn run(plan: Plan, progress: impl FnMut(u64)) -> Result<Outcome, String> {
    let online = machine::online();
    room_for(plan, online)?;
    let audit = Audit::begin();
    let space = space::create().ok_or("no address space is free")?;
    let id = space.id();
    let blocks = pages::layout(plan.initiators, plan.pages);
    if let Err(error) = blocks.iter().try_for_each(|block| map(&space, block)) {
        drop(space);
        // Nobody has entered it, so there is nobody to keep it.
        let _ = space::retire(id);
        return Err(format!("the storm's pages could not be mapped: {error:?}"));
    }
    let shared = Arc::new(Shared::new(plan.rounds, space, blocks));
    let mut outcome = rage(&shared, online, progress);
    drop(shared);
    outcome.left_behind = clean_up(id, audit).err();
    Ok(outcome)
}

/// # Errors
/// There is not enough memory for every page's frame and its successor.
fn room_for(plan: Plan, online: CpuSet) -> Result<(), String> {
    let initiators = plan.initiators.len() as u64;
    // Beside them: page tables, and a stack for each thread.
    let needed =
        2 * plan.pages * initiators + plan.pages * initiators / 256 + 64 + 32 * online.len() as u64;
    let free = frames::usage().free;
    if needed > free {
        return Err(format!(
            "{initiators} initiators with {} pages each need {needed} frames, {free} are free",
            plan.pages
        ));
    }
    Ok(())
}

/// Maps the pages of `block` for round 0.
fn map(space: &Space, block: &Block) -> Result<(), space::Error> {
    block.tags(0).enumerate().try_for_each(|(number, tag)| {
        let frame = Frame::filled(tag).ok_or(hw::paging::MapError::NoMemory)?;
        space.map_frame(
            block.base + number as u64 * PAGE_SIZE,
            frame,
            Rights::USER_WRITE,
        )
    })
}

type Part = Job<Tally>;

/// Has every CPU of `online` take its part, and waits for all.
fn rage(shared: &Arc<Shared>, online: CpuSet, progress: impl FnMut(u64)) -> Outcome {
    // No interrupt of an earlier shootdown is under way any more: each was sent before the thread
    // that `quiesce` waits for was queued there.
    job::quiesce();
    let before = Counts::take(online);
    let mut parts = Vec::new();
    for cpu in online {
        let part = shared.clone();
        match job::start("storm", cpu, Some(shared.space.clone()), move || {
            part.take(cpu)
        }) {
            Ok(job) => parts.push(job),
            Err(_) => shared.stop(),
        }
    }
    wait_for(&parts, || {
        shared.arrived() == online.len() as u64 || shared.stopped()
    });
    let begun = clock::now();
    shared.begin();
    watch(shared, &parts, progress);
    let (mut tallies, mut finished) = (Vec::new(), CpuSet::EMPTY);
    for tally in parts
        .into_iter()
        .filter(Part::is_done)
        .filter_map(|part| part.finish().ok())
    {
        finished = finished.with(tally.cpu);
        tallies.push(tally);
    }
    job::quiesce();
    let (counts, most_served) = before.since();
    let undisturbed = finished == online
        && tallies
            .iter()
            .all(|tally| tally.resumed == 0 && tally.error.is_none());
    let checks = if undisturbed {
        counts::reconcile(&counts, &tallies)
    } else {
        Vec::new()
    };
    let (violations, first_violations) = shared.violations();
    Outcome {
        ticks: tallies
            .iter()
            .map(|tally| tally.ended.saturating_sub(begun))
            .max()
            .unwrap_or(0),
        unfinished: online.minus(finished),
        tallies,
        counts,
        most_served,
        checks,
        left_behind: None,
        violations,
        first_violations,
    }
}

/// Dozes until `condition` holds, all `parts` are over, or patience ends.
fn wait_for(parts: &[Part], condition: impl Fn() -> bool) {
    let deadline = Deadline::after_us(PATIENCE_US);
    while !condition() && !parts.iter().all(Part::is_done) && !deadline.expired() {
        thread::doze();
    }
}

/// Waits until all `parts` are over; stops them at Ctrl-C, or when nothing happens any more, and
/// leaves them when they do not end then either.
fn watch(shared: &Shared, parts: &[Part], mut progress: impl FnMut(u64)) {
    let (mut seen, mut since, mut told) = (
        0,
        Deadline::after_us(PATIENCE_US),
        Deadline::after_us(PROGRESS_US),
    );
    while !parts.iter().all(Part::is_done) {
        thread::doze();
        if console::interrupted() {
            shared.stop();
        }
        let rounds = shared.rounds_made();
        if told.expired() {
            progress(rounds);
            told = Deadline::after_us(PROGRESS_US);
        }
        if rounds != seen {
            (seen, since) = (rounds, Deadline::after_us(PATIENCE_US));
        } else if since.expired() {
            if shared.stopped() {
                return;
            }
            shared.stop();
            since = Deadline::after_us(PATIENCE_US);
        }
    }
}

/// Takes the storm's space apart, and looks whether everything is as it was.
///
/// # Errors
/// What is not, in words.
fn clean_up(id: shootdown::SpaceId, audit: Audit) -> Result<(), String> {
    space::retire(id).map_err(|in_use| match in_use.threads {
        true => format!("address space {id}: threads are still in it"),
        false => format!("address space {id}: CPUs {} still use it", in_use.active),
    })?;
    audit.end()
}

/// Uses the protocol called `name`, if one is named, while `work` runs.
pub fn with_protocol<T>(name: Option<&str>, work: impl FnOnce() -> T) -> T {
    let before = protocols::in_use();
    let Some(name) = name
        .map(ToString::to_string)
        .filter(|name| name != before.name)
    else {
        return work();
    };
    protocols::choose(&name, false, job::quiesce);
    let result = work();
    protocols::choose(before.name, before.padded, job::quiesce);
    result
}
