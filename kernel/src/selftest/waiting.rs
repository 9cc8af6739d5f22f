//! Initiators that wait, and targets that serve them.

use super::Unmet;
use super::scene::{
    Scratch, begin, doze_until, ensure, need_early, need_slots, others_and_last, spin_until,
};
use crate::{park, protocols};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};
use hw::interrupts::Off;
use hw::percpu::{self, Counter};
use shootdown::{CpuId, CpuSet, Point, Request, Targets};

/// Where nothing is mapped: the tests are about the asking, not about what is asked.
const PAGE: u64 = 0x40_3000;

/// Has `targets` invalidate a page.
fn shoot(request: Request, targets: CpuSet) -> Result<(), Unmet> {
    match protocols::shoot(request, Targets::Set(targets)) {
        Ok(_) => Ok(()),
        Err(_) => {
            let silent = protocols::outstanding(percpu::cpu());
            Err(Unmet::Failed(alloc::format!(
                "CPU {}: given up, CPUs {silent} have not acknowledged",
                percpu::cpu()
            )))
        }
    }
}

fn served(cpu: CpuId) -> u64 {
    percpu::of(cpu).passed(Point::Notice)
}

/// The most rounds of two CPUs that shoot at each other, and how many must have overlapped.
const ROUNDS: u64 = 5_000;
const OVERLAPS: u64 = 8;

pub fn mutual() -> Result<(), Unmet> {
    let (others, last) = others_and_last(1)?;
    let space = Scratch::new()?;
    let request = Request::page(space.id(), PAGE)?;
    let pair = [
        others.into_iter().next().ok_or("there is no other CPU")?,
        last,
    ];
    let duel = Arc::new(Duel::default());
    let mut jobs = Vec::new();
    for side in [0, 1] {
        let duel = duel.clone();
        jobs.push(begin(pair[side], Some(&space), move || {
            duel.fight(request, pair[1 - side])
        })?);
    }
    for job in jobs {
        job.wait()??;
    }
    // Who holds the global lock has nobody to serve.
    let overlaps = duel.overlaps.load(Acquire);
    ensure!(
        overlaps >= OVERLAPS || need_slots().is_err(),
        "in {ROUNDS} rounds only {overlaps} times a CPU served the other during its own shootdown"
    );
    Ok(())
}

/// Two CPUs that begin each round together.
#[derive(Default)]
struct Duel {
    arrived: AtomicU64,
    overlaps: AtomicU64,
    over: AtomicBool,
}

impl Duel {
    fn fight(&self, request: Request, enemy: CpuId) -> Result<(), Unmet> {
        let outcome = (1..=ROUNDS).try_for_each(|round| self.round(round, request, enemy));
        self.over.store(true, Release);
        outcome
    }

    fn round(&self, round: u64, request: Request, enemy: CpuId) -> Result<(), Unmet> {
        // Either has seen enough: both leave, the second at the latest a round later.
        if self.over.load(Acquire) || self.overlaps.load(Acquire) >= OVERLAPS {
            self.over.store(true, Release);
            return Ok(());
        }
        self.arrived.fetch_add(1, AcqRel);
        let together =
            spin_until(|| self.arrived.load(Acquire) >= 2 * round || self.over.load(Acquire));
        ensure!(together, "CPU {enemy} does not arrive for round {round}");
        let before = served(percpu::cpu());
        shoot(request, CpuSet::only(enemy))?;
        self.overlaps
            .fetch_add(served(percpu::cpu()) - before, AcqRel);
        Ok(())
    }
}

/// A CPU that takes no interrupts until it is let go.
#[derive(Default)]
struct Deaf {
    ready: AtomicBool,
    let_go: AtomicBool,
}

impl Deaf {
    /// Whether it was let go in time.
    fn wait(&self, mut until: impl FnMut() -> bool) -> bool {
        let _off = Off::new();
        self.ready.store(true, Release);
        spin_until(|| self.let_go.load(Acquire) || until())
    }
}

/// CPU A waits for a target that takes no interrupts; meanwhile CPU B asks A, and gets its answer.
pub fn serve() -> Result<(), Unmet> {
    let (others, target) = others_and_last(2)?;
    need_slots()?;
    let space = Scratch::new()?;
    let request = Request::page(space.id(), PAGE)?;
    let mut others = others.into_iter();
    let (Some(b), Some(a)) = (others.next(), others.next()) else {
        return Err(Unmet::Skipped("needs 3 CPUs"));
    };
    let deaf = Arc::new(Deaf::default());
    let [for_target, for_a, for_b] = [deaf.clone(), deaf.clone(), deaf.clone()];
    let deaf_job = begin(target, Some(&space), move || for_target.wait(|| false))?;
    let a_job = begin(a, Some(&space), move || {
        ensure!(
            spin_until(|| for_a.ready.load(Acquire)),
            "CPU {target} does not run"
        );
        shoot(request, CpuSet::only(target))
    })?;
    let b_job = begin(b, Some(&space), move || {
        let waits = || protocols::slot(target, a) == Some(0);
        let waited = spin_until(waits);
        let outcome = shoot(request, CpuSet::only(a));
        // The target has not heard yet, so CPU A is still in its own shootdown.
        let still = waits();
        for_b.let_go.store(true, Release);
        outcome.map(|()| waited && still)
    })?;
    let overlapped = b_job.wait()?;
    let (a_outcome, heard) = (a_job.wait()?, deaf_job.wait()?);
    ensure!(
        heard,
        "CPU {target} was not let go: CPU {b} had no answer from CPU {a}"
    );
    ensure!(
        overlapped?,
        "CPU {a} did not wait for CPU {target} while CPU {b} asked it"
    );
    a_outcome
}

/// Every other CPU asks a target that takes no interrupts. The first interrupt it then takes must
/// serve all of them: the local APIC keeps one, and nobody sends another.
pub fn drain() -> Result<(), Unmet> {
    let (initiators, target) = others_and_last(2)?;
    need_slots()?;
    let space = Scratch::new()?;
    let request = Request::page(space.id(), PAGE)?;
    let deaf = Arc::new(Deaf::default());
    let for_target = deaf.clone();
    let target_job = begin(target, Some(&space), move || {
        let useful = || {
            percpu::of(target).counted(Counter::IpisReceived)
                - percpu::of(target).counted(Counter::IpisEmpty)
        };
        let before = (served(target), useful());
        let asked = for_target.wait(|| {
            initiators
                .into_iter()
                .all(|initiator| protocols::slot(target, initiator) == Some(0))
        });
        let all = spin_until(|| served(target) - before.0 >= initiators.len() as u64);
        (asked, all, useful() - before.1)
    })?;
    // All of them are there before the first asks: it does not let go of its CPU, which may be the
    // one that starts them.
    let arrived = Arc::new(AtomicU64::new(0));
    let mut jobs = Vec::new();
    for initiator in initiators {
        let (deaf, arrived) = (deaf.clone(), arrived.clone());
        jobs.push(begin(initiator, Some(&space), move || {
            arrived.fetch_add(1, AcqRel);
            let all = initiators.len() as u64;
            let ready = || deaf.ready.load(Acquire) && arrived.load(Acquire) == all;
            ensure!(
                spin_until(ready),
                "CPU {target} or an initiator does not run"
            );
            shoot(request, CpuSet::only(target))
        })?);
    }
    let outcomes: Vec<_> = jobs
        .into_iter()
        .map(|job| job.wait())
        .collect::<Result<_, _>>()?;
    let (asked, all, interrupts) = target_job.wait()?;
    outcomes.into_iter().collect::<Result<(), Unmet>>()?;
    ensure!(asked, "not all of CPUs {initiators} asked CPU {target}");
    ensure!(
        all && interrupts == 1,
        "CPU {target} served CPUs {initiators} in {interrupts} interrupts, not in 1"
    );
    Ok(())
}

/// A CPU that is to stand where it is about to invalidate, until this is dropped.
struct Standing {
    cpu: CpuId,
    number: u32,
}

impl Standing {
    fn begin(cpu: CpuId) -> Result<Standing, Unmet> {
        let point = (Point::Invalidate, false);
        let number = park::set(point, CpuSet::only(cpu), None, Some(1))
            .map_err(|_| "there are too many breaks for another: break clear")?;
        Ok(Standing { cpu, number })
    }

    /// Whether it has got there.
    fn reached(&self) -> bool {
        park::where_is(self.cpu).is_some_and(|parked| parked.point == Point::Invalidate)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        // In this order: whoever goes on is not parked again.
        park::clear(Some(self.number));
        // Nobody else need hear of it.
        park::tell(self.cpu);
        park::proceed(CpuSet::only(self.cpu));
        // A CPU that stands takes no other work.
        doze_until(|| !park::parked().contains(self.cpu));
    }
}

/// A target is parked before its first invalidation, whichever instruction that is. By then it must
/// have acknowledged, and the initiator goes on while it stands there.
pub fn early_ack() -> Result<(), Unmet> {
    let (others, target) = others_and_last(1)?;
    need_early()?;
    let space = Scratch::new()?;
    let initiator = others.into_iter().next().ok_or("there is no other CPU")?;
    let request = Request::page(space.id(), PAGE)?;
    let area = percpu::of(target);
    let invalidated = || [Counter::Invlpgs, Counter::Flushes].map(|what| area.counted(what));
    let before = (invalidated(), area.passed(Point::Acknowledge));
    let standing = Standing::begin(target)?;
    let asks = begin(initiator, Some(&space), move || {
        shoot(request, CpuSet::only(target))
    })?;
    // The initiator may have gone on before: the acknowledgement comes first.
    let reached = doze_until(|| standing.reached());
    let acknowledged = area.passed(Point::Acknowledge) > before.1;
    // Without an acknowledgement it would wait for as long as the target stands.
    let went_on = reached && acknowledged && doze_until(|| asks.is_done());
    let untouched = standing.reached() && invalidated() == before.0;
    drop(standing);
    asks.wait()??;
    ensure!(reached, "CPU {target} does not invalidate");
    ensure!(
        acknowledged,
        "CPU {target} is about to invalidate, and has not acknowledged CPU {initiator}"
    );
    ensure!(
        went_on,
        "CPU {target} has acknowledged, but CPU {initiator} does not go on before it invalidates"
    );
    ensure!(
        untouched,
        "CPU {target} had invalidated something before CPU {initiator} went on"
    );
    Ok(())
}
