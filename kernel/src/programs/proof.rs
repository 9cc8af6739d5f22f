//! That witnesses see what they are there to see, on this machine: for `selftest`.

use super::{Doubt, Watch, Witnesses};
use crate::machine;
use crate::space::{self, Shoot, Space};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use hw::paging::Rights;
use shootdown::{CpuId, Request, Targets};

/// A page that shares no entry of an emulated TLB with a program's own pages.
const PAGE: u64 = 0x40_2000;
/// How many remaps must all be seen.
const ROUNDS: usize = 50;
/// How long a witness has for a round, in microseconds of the machine's time.
const ROUND_US: u64 = 10_000_000;

/// A page is changed under ring-3 programs on every CPU, and the shootdown left out: each goes on
/// reading the old frame, and [`Witnesses::expect`] says so. Shot down at last, each reads the new.
///
/// # Errors
/// What went otherwise.
pub fn ring_3_reads_the_old_frame_until_it_is_shot_down() -> Result<(), String> {
    in_a_space(without_a_shootdown)
}

fn without_a_shootdown(space: &Arc<Space>) -> Result<(), String> {
    let (witnesses, old) = watched(space)?;
    let new = space
        .remap(PAGE, Shoot::Later)
        .map_err(|error| format!("remap: {error:?}"))?;
    let mark = witnesses.mark();
    match witnesses.expect(0, new, ROUND_US) {
        Err(Doubt::Stale { saw, .. }) if saw == old => {}
        other => {
            return Err(format!(
                "without a shootdown the old tag was to be seen, not: {other:?}"
            ));
        }
    }
    for cpu in machine::online() {
        let seen = wait_for(&witnesses, &mark, cpu)?;
        if seen != old {
            return Err(format!(
                "without a shootdown CPU {cpu} read {seen:#x}, not the old tag {old:#x}"
            ));
        }
    }
    let request = Request::page(space.id(), PAGE).map_err(|error| format!("{error:?}"))?;
    let _proof = space
        .shoot(request, Targets::Active)
        .map_err(|_| "the shootdown was given up".to_string())?;
    fresh(&witnesses, new)?;
    end(witnesses)
}

/// A page is changed and shot down many times under ring-3 programs on every CPU: once the
/// shootdown has returned, none reads an old frame.
///
/// # Errors
/// The stale read, or what else went wrong.
pub fn ring_3_reads_no_old_frame_after_a_shootdown() -> Result<(), String> {
    in_a_space(with_shootdowns)
}

fn with_shootdowns(space: &Arc<Space>) -> Result<(), String> {
    let (witnesses, _) = watched(space)?;
    for _ in 0..ROUNDS {
        let tag = space
            .remap(PAGE, Shoot::Now)
            .map_err(|error| format!("remap: {error:?}"))?;
        fresh(&witnesses, tag)?;
    }
    end(witnesses)
}

/// What `test` says of a space of its own, or that the space could not be made or taken down.
fn in_a_space(test: fn(&Arc<Space>) -> Result<(), String>) -> Result<(), String> {
    let space = space::create().ok_or("no address space is free")?;
    let id = space.id();
    let result = test(&space);
    drop(space);
    let retired =
        space::retire(id).map_err(|in_use| format!("the space cannot be dropped: {in_use:?}"));
    result.and(retired)
}

/// Witnesses on every CPU that have all read a fresh page; and its tag.
fn watched(space: &Arc<Space>) -> Result<(Witnesses, u64), String> {
    let tag = space
        .map(PAGE, 1, Rights::USER_READ)
        .map_err(|error| format!("map: {error:?}"))?;
    // The one on the CPU of whoever tests must let that one run.
    let watch = Watch {
        turn: 16,
        ..Watch::page(PAGE)
    };
    let witnesses =
        Witnesses::launch(space, machine::online(), watch).map_err(|error| error.to_string())?;
    fresh(&witnesses, tag)?;
    Ok((witnesses, tag))
}

fn fresh(witnesses: &Witnesses, tag: u64) -> Result<(), String> {
    witnesses
        .expect(0, tag, ROUND_US)
        .map_err(|doubt| doubt.to_string())
}

fn wait_for(witnesses: &Witnesses, mark: &super::Mark, cpu: CpuId) -> Result<u64, String> {
    let seen = || {
        witnesses
            .seen_since(mark, 0)
            .find(|&(of, _)| of == cpu)
            .and_then(|(_, seen)| seen)
    };
    let deadline = hw::clock::Deadline::after_us(ROUND_US);
    super::wait_until(|| seen().is_some(), || deadline.expired());
    seen().ok_or_else(|| Doubt::Silent(cpu).to_string())
}

fn end(witnesses: Witnesses) -> Result<(), String> {
    let freed = witnesses.freed();
    for (cpu, ending) in witnesses.stop() {
        if ending.is_none() {
            return Err(format!("the witness on CPU {cpu} does not stop"));
        }
    }
    if freed > 0 {
        Err(format!("{freed} reads saw a freed frame"))
    } else {
        Ok(())
    }
}
