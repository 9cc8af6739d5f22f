//! What a shootdown is for: translations that live on, and are then gone.

use super::Unmet;
use super::scene::{self, Scratch, begin, doze_until, ensure, failed, last_cpu, on, spin_until};
use crate::machine::{self, Kernel};
use crate::space::{self, Shoot, Space};
use alloc::sync::Arc;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use hw::paging::Rights;
use hw::phys::PAGE_SIZE;
use hw::{percpu, probe};
use shootdown::{CpuId, Invpcid, Request, Targets, Tlb};

/// Where the pages are: away from whatever the emulator's TLB would have to drop them for.
const PAGE: u64 = 0x40_3000;

pub fn lazy() -> Result<(), Unmet> {
    let (first, second) = (Scratch::new()?, Scratch::new()?);
    for cpu in machine::online() {
        on(cpu, Some(&first), || ())?;
        consistent(cpu, &first, true)?;
        on(cpu, Some(&second), || ())?;
        consistent(cpu, &second, true)?;
        consistent(cpu, &first, false)?;
        on(cpu, None, space::leave)?;
        consistent(cpu, &second, false)?;
    }
    Ok(())
}

/// Whether `cpu`, idle since its last thread ended, is in the active set of `space` and uses its
/// tables, or neither.
fn consistent(cpu: CpuId, space: &Scratch, expected: bool) -> Result<(), Unmet> {
    let active = space::active(space.id()).contains(cpu);
    let current = percpu::of(cpu).current_space() == space.id().0;
    ensure!(
        active == expected && current == expected,
        "CPU {cpu} and space {}: {}in its active set, {}using its tables",
        space.id(),
        if active { "" } else { "not " },
        if current { "" } else { "not " }
    );
    Ok(())
}

/// How often it is tried to see a stale translation: an emulator may drop one at any time.
const ATTEMPTS: u64 = 8;

pub fn stale() -> Result<(), Unmet> {
    scene::shows_staleness(false)?;
    for attempt in 0..ATTEMPTS {
        if stale_then_fresh(PAGE + attempt * 7 * PAGE_SIZE)? {
            return Ok(());
        }
    }
    Err(Unmet::Failed(alloc::format!(
        "no stale translation was seen in {ATTEMPTS} attempts: this machine cannot show what a shootdown is for"
    )))
}

/// Changes `page` under a thread that keeps reading it. Whether the thread read the old frame
/// before the shootdown; that it does not afterwards is ensured.
fn stale_then_fresh(page: u64) -> Result<bool, Unmet> {
    let space = Scratch::new()?;
    let old = space
        .map(page, 1, Rights::USER_READ)
        .map_err(|error| failed("map", error))?;
    // How many reads are due, and how many are done.
    let steps: Arc<[AtomicU64; 2]> = Arc::default();
    let its = steps.clone();
    // One thread, so that its CPU does not change tables in between.
    let reader = begin(last_cpu(), Some(&space), move || {
        [1, 2, 3].map(|step| {
            let due = spin_until(|| its[0].load(Acquire) >= step);
            let seen = due.then(|| probe::read(page).ok()).flatten();
            its[1].store(step, Release);
            seen
        })
    })?;
    let read = |step| {
        steps[0].store(step, Release);
        doze_until(|| steps[1].load(Acquire) >= step)
    };
    let mut went_on = read(1);
    let new = space
        .remap(page, Shoot::Later)
        .map_err(|error| failed("remap", error))?;
    went_on &= read(2);
    let request = Request::page(space.id(), page)?;
    let shot = space.shoot(request, Targets::Active);
    went_on &= read(3);
    let seen = reader.wait()?;
    ensure!(went_on, "the reader does not run");
    ensure!(
        shot.is_ok_and(|proof| proof.covers(space.id(), page)),
        "the shootdown was given up, or left a CPU out"
    );
    ensure!(
        seen[0] == Some(old),
        "the first read saw {:x?}, not {old:#x}",
        seen[0]
    );
    ensure!(
        seen[2] == Some(new),
        "after the shootdown a read saw {:x?}, not {new:#x}",
        seen[2]
    );
    ensure!(
        seen[1] == Some(old) || seen[1] == Some(new),
        "without a shootdown a read saw {:x?}",
        seen[1]
    );
    Ok(seen[1] == Some(old))
}

pub fn rights() -> Result<(), Unmet> {
    let space = Scratch::new()?;
    let cpu = last_cpu();
    let refused = |error| failed("the page tables", error);
    space.map(PAGE, 2, Rights::USER_WRITE).map_err(refused)?;
    let write = |address| on(cpu, Some(&space), move || probe::write(address, 1));
    for page in [PAGE, PAGE + PAGE_SIZE] {
        ensure!(write(page)?.is_ok(), "CPU {cpu} cannot write {page:#x}");
    }
    space
        .protect(PAGE, 2, Rights::USER_READ, Shoot::Now)
        .map_err(refused)?;
    for page in [PAGE, PAGE + PAGE_SIZE] {
        ensure!(
            write(page)?.is_err(),
            "CPU {cpu} still writes {page:#x}, which is read-only"
        );
    }
    let read = |address| on(cpu, Some(&space), move || probe::read(address));
    ensure!(read(PAGE)?.is_ok(), "CPU {cpu} cannot read {PAGE:#x}");
    space.unmap(PAGE, 2, Shoot::Now).map_err(refused)?;
    for page in [PAGE, PAGE + PAGE_SIZE] {
        ensure!(
            read(page)?.is_err(),
            "CPU {cpu} still reads {page:#x}, which is not mapped"
        );
    }
    Ok(())
}

pub fn invpcid() -> Result<(), Unmet> {
    if !hw::tlb::mode().features().invpcid {
        return Err(Unmet::Skipped("INVPCID is not in use"));
    }
    let space = Scratch::new()?;
    let id = space.id();
    let pages = Arc::clone(&space);
    on(last_cpu(), Some(&space), move || {
        let pcid = || space::contexts().pcid(id, percpu::cpu());
        forgets(&pages, "type 0", |page| Invpcid::Address(pcid(), page))?;
        forgets(&pages, "type 1", |_| Invpcid::Context(pcid()))?;
        forgets(&pages, "type 2", |_| Invpcid::AllWithGlobal)?;
        forgets(&pages, "type 3", |_| Invpcid::AllButGlobal)
    })?
}

/// Ensures that the INVPCID that `of` names for a page forgets that page's translation, which was seen to be stale before.
/// On a CPU in `space`.
fn forgets(space: &Arc<Space>, name: &str, of: impl Fn(u64) -> Invpcid) -> Result<(), Unmet> {
    for attempt in 0..ATTEMPTS {
        let page = PAGE + attempt * 7 * PAGE_SIZE;
        let refused = |error| failed("the page tables", error);
        let old = space.map(page, 1, Rights::USER_READ).map_err(refused)?;
        let first = probe::read(page);
        let new = space.remap(page, Shoot::Later).map_err(refused)?;
        let second = probe::read(page);
        Kernel.invpcid(of(page), space.id());
        let third = probe::read(page);
        let shot = space.shoot(Request::page(space.id(), page)?, Targets::Active);
        ensure!(shot.is_ok(), "{name}: the shootdown was given up");
        space.unmap(page, 1, Shoot::Now).map_err(refused)?;
        ensure!(
            first == Ok(old) && third == Ok(new),
            "{name}: the reads before and after saw {first:x?} and {third:x?}, not {old:#x} and {new:#x}"
        );
        if second == Ok(old) {
            return Ok(());
        }
    }
    Err(Unmet::Failed(alloc::format!(
        "{name}: no stale translation was seen in {ATTEMPTS} attempts, so none was forgotten"
    )))
}
