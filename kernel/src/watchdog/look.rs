//! What the CPUs that are waited for are doing.

use super::report::{Stuck, What};
use crate::machine::{self, SHOOTDOWN};
use crate::panic::{self, Snapshot};
use crate::watchdog::locks;
use crate::{park, protocols, stop};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use hw::clock;
use hw::percpu::{self, Counter};
use shell::diagnosis::{Finding, Seen};
use shootdown::{CpuId, CpuSet, MAX_CPUS};

/// When each CPU last took a shootdown interrupt that found nothing to serve.
static FOUND_NOTHING: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// A wait is known to have begun so much before it became long, in microseconds.
const BEFORE_US: u64 = 1_000;

/// Notes that this CPU has taken a shootdown interrupt that found nothing to serve.
#[cold]
pub fn note_found_nothing() {
    FOUND_NOTHING[percpu::cpu().index()].store(clock::now(), Relaxed);
}

/// How things stood as a wait became long.
pub struct Baseline {
    received: [u64; MAX_CPUS],
    began: u64,
}

impl Baseline {
    pub fn take() -> Baseline {
        let mut received = [0; MAX_CPUS];
        for cpu in machine::online() {
            received[cpu.index()] = percpu::of(cpu).counted(Counter::IpisReceived);
        }
        let began = clock::now().saturating_sub(clock::from_us(BEFORE_US));
        Baseline { received, began }
    }

    fn received_since(&self, cpu: CpuId) -> bool {
        percpu::of(cpu).counted(Counter::IpisReceived) > self.received[cpu.index()]
    }

    fn found_nothing_since(&self, cpu: CpuId) -> bool {
        FOUND_NOTHING[cpu.index()].load(Relaxed) > self.began
    }
}

/// What was seen of one CPU.
pub struct Look {
    pub finding: Finding,
    pub snapshot: Option<Snapshot>,
}

/// Room for a look at every CPU, without the heap: its lock may be what is waited for.
pub struct Looks {
    looks: [Option<Look>; LOOKED_AT],
}

/// The most CPUs that are looked at for one report.
const LOOKED_AT: usize = 8;

impl Looks {
    pub fn iter(&self) -> impl Iterator<Item = &Look> + Clone {
        self.looks.iter().flatten()
    }
}

/// Looks at the CPUs that are waited for, but those that stand still for a reason.
pub fn at_all(stuck: &Stuck, baseline: &Baseline) -> Looks {
    let mut looks = Looks {
        looks: [const { None }; LOOKED_AT],
    };
    let silent = stuck.culprits.without(stuck.waiter).minus(standing());
    for (place, cpu) in looks.looks.iter_mut().zip(silent) {
        let snapshot = panic::snapshot(cpu).ok();
        let seen = seen(cpu, stuck, baseline, snapshot.as_ref());
        *place = Some(Look {
            finding: Finding::of(cpu, seen),
            snapshot,
        });
    }
    looks
}

/// What is to be said of a CPU that hangs, if another waits for it: that one, and the finding.
pub fn at_a_silent_one(cpu: CpuId, snapshot: &Snapshot) -> Option<(CpuId, Finding)> {
    let waits = |&other: &CpuId| protocols::waits_for(other).contains(cpu);
    let waiter = machine::online().without(cpu).into_iter().find(waits)?;
    let stuck = Stuck {
        waiter,
        what: What::Acknowledgement,
        culprits: CpuSet::only(cpu),
        lasted_ms: 0,
    };
    let seen = seen(cpu, &stuck, &Baseline::take(), Some(snapshot));
    Some((waiter, Finding::of(cpu, seen)))
}

/// The CPUs that stand still because somebody wants them to.
pub fn standing() -> CpuSet {
    park::parked().or(stop::stopped())
}

fn seen(cpu: CpuId, stuck: &Stuck, baseline: &Baseline, snapshot: Option<&Snapshot>) -> Seen {
    let vector = SHOOTDOWN.number();
    let waiter = stuck.waiter;
    let of_a_pair = stuck.what == What::Acknowledgement && protocols::in_use().entry.pairs;
    let waits_for = protocols::waits_for(cpu);
    let for_lock = locks::awaited(cpu);
    let mut seen = Seen {
        received: baseline.received_since(cpu),
        found_nothing: baseline.found_nothing_since(cpu),
        astray: machine::online()
            .minus(stuck.culprits)
            .without(waiter)
            .into_iter()
            .any(|other| baseline.found_nothing_since(other)),
        transposed: of_a_pair
            && protocols::slot(waiter, cpu) == Some(0)
            && percpu::of(cpu).critical_depth() == 0,
        slot: of_a_pair.then(|| protocols::slot(cpu, waiter)).flatten(),
        wanted: protocols::request(waiter).map_or(0, |request| request.generation),
        zero_generation: zero_generation(cpu),
        waits_for_waiter: waits_for.contains(waiter) || for_lock == Some(Some(waiter)),
        waits: !waits_for.is_empty() || for_lock.is_some(),
        ..Seen::default()
    };
    if let Some(snapshot) = snapshot {
        seen.answers = true;
        seen.interrupts = snapshot.frame.interrupts_enabled();
        seen.in_handler = snapshot.handles(vector);
        seen.irr = snapshot.pending.irr.contains(vector);
        seen.isr = snapshot.pending.isr.contains(vector);
    }
    seen
}

/// Whether a request whose generation is 0 is pending for `target`.
fn zero_generation(target: CpuId) -> bool {
    protocols::in_use().entry.pairs
        && machine::online()
            .without(target)
            .into_iter()
            .any(|initiator| {
                protocols::slot(target, initiator) == Some(0)
                    && protocols::request(initiator).is_some_and(|request| request.generation == 0)
            })
}
