//! The CPUs' records in one order, and the shootdowns, handler runs and interrupts in them.
//!
//! Nothing here knows a protocol. Who asks whom follows from what the kernel records of any
//! shootdown; whose request a handler served, from the words that it read and wrote.

use crate::{Range, Record};
use alloc::vec::Vec;
use shootdown::{CpuId, CpuSet, MAX_CPUS};

mod build;
mod cover;

#[cfg(test)]
pub(crate) mod scene;
#[cfg(test)]
mod tests;

pub use cover::covers;

/// How a shootdown ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// All that were asked acknowledged, says the protocol.
    Acknowledged,
    /// The wait was given up.
    Abandoned,
    /// The records end before it does.
    Unfinished,
}

/// One shootdown. Numbers of records are indices in [`Timeline::records`].
#[derive(Clone, Debug)]
pub struct Shootdown {
    /// The CPU that asked.
    pub initiator: CpuId,
    /// The record with which it begins.
    pub begin: usize,
    /// The record with which it ends.
    pub end: Option<usize>,
    /// How.
    pub outcome: Outcome,
    /// What was asked.
    pub request: Range,
    /// The CPUs that might hold the translations as it began, by the kernel's books.
    pub holders: CpuSet,
    /// The CPUs that were asked, if it was a stated set.
    pub asked: Option<CpuSet>,
    /// The generation under which it was published.
    pub generation: Option<u32>,
    /// The CPUs whose slot it zeroed.
    pub zeroed: CpuSet,
    /// The CPUs to which its interrupts went, once it had published its request.
    pub sent: CpuSet,
    /// The changes of page-table entries that it is for, as far as no earlier shootdown was.
    pub stores: Vec<usize>,
    /// What the initiator did for it, handlers' doings left out.
    pub steps: Vec<usize>,
    /// The times that a target served it: indices in [`Timeline::services`].
    pub services: Vec<usize>,
}

impl Shootdown {
    /// The CPUs that it asked, by what was done: those whose slot it zeroed or, of a protocol that
    /// zeroes none, those to which its interrupts went.
    pub fn targets(&self) -> CpuSet {
        if self.zeroed.is_empty() {
            self.sent
        } else {
            self.zeroed
        }
    }
}

/// A run of an interrupt handler.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Where it ran.
    pub cpu: CpuId,
    /// The vector.
    pub vector: u64,
    /// Its first record.
    pub enter: usize,
    /// Its last; `None` if the records end before it does.
    pub leave: Option<usize>,
}

/// A handler's serving of one request.
#[derive(Clone, Debug)]
pub struct Service {
    /// The target.
    pub cpu: CpuId,
    /// The run it is part of: an index in [`Timeline::handlers`]. `None` outside any.
    pub handler: Option<usize>,
    /// Where it noticed the request.
    pub notice: Option<usize>,
    /// Where it had read it.
    pub copy: Option<usize>,
    /// Where it acknowledged it.
    pub acknowledge: Option<usize>,
    /// Where it began to invalidate.
    pub invalidate: Option<usize>,
    /// The invalidating instructions that it executed.
    pub executed: Vec<usize>,
    /// Whose request it was, as far as that can be told.
    pub initiator: Option<CpuId>,
    /// The shootdown: an index in [`Timeline::shootdowns`].
    pub shootdown: Option<usize>,
}

impl Service {
    /// The first record of it.
    pub fn first(&self) -> usize {
        let all = [self.notice, self.copy, self.acknowledge, self.invalidate];
        all.into_iter().flatten().min().unwrap_or(0)
    }
}

/// One interrupt, from its sending to the handler that took it.
#[derive(Clone, Copy, Debug)]
pub struct Arrow {
    /// The write of the interrupt command register.
    pub ipi: usize,
    /// Where it went.
    pub target: CpuId,
    /// The run that took it: an index in [`Timeline::handlers`].
    pub handler: Option<usize>,
    /// Whether an interrupt that was sent earlier is taken by the same run: the local APIC keeps
    /// one of a vector.
    pub coalesced: bool,
    /// The shootdown that sent it.
    pub shootdown: Option<usize>,
}

/// How deeply handlers' runs nest at most.
const NESTED: usize = 4;

/// Records in the order of time, and what they are parts of.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    records: Vec<Record>,
    /// Each CPU's, as indices in `records`.
    by_cpu: Vec<Vec<usize>>,
    shootdowns: Vec<Shootdown>,
    handlers: Vec<Handler>,
    /// Each CPU's, as indices in `handlers`.
    runs_of: Vec<Vec<usize>>,
    services: Vec<Service>,
    arrows: Vec<Arrow>,
}

impl Timeline {
    /// Of `records`, in any order.
    pub fn new(mut records: Vec<Record>) -> Timeline {
        records.sort_unstable_by_key(|record| (record.tsc, record.cpu, record.number));
        let mut by_cpu = alloc::vec![Vec::new(); MAX_CPUS];
        for (index, record) in records.iter().enumerate() {
            by_cpu[record.cpu.index()].push(index);
        }
        build::build(Timeline {
            records,
            by_cpu,
            runs_of: alloc::vec![Vec::new(); MAX_CPUS],
            ..Timeline::default()
        })
    }

    /// All records, earliest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The shootdowns, in the order in which they began.
    pub fn shootdowns(&self) -> &[Shootdown] {
        &self.shootdowns
    }

    /// The runs of handlers, in the order in which they began.
    pub fn handlers(&self) -> &[Handler] {
        &self.handlers
    }

    /// The servings of requests, in the order in which they ended.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The interrupts, in the order in which they were sent.
    pub fn arrows(&self) -> &[Arrow] {
        &self.arrows
    }

    /// The CPUs that recorded anything.
    pub fn cpus(&self) -> CpuSet {
        (0..MAX_CPUS)
            .filter(|&cpu| !self.by_cpu[cpu].is_empty())
            .filter_map(CpuId::new)
            .collect()
    }

    /// When record `index` was made.
    pub fn tsc(&self, index: usize) -> u64 {
        self.records[index].tsc
    }

    /// The records of `cpu`, as indices, earliest first.
    pub fn of(&self, cpu: CpuId) -> &[usize] {
        self.by_cpu.get(cpu.index()).map_or(&[], Vec::as_slice)
    }

    /// The records of `cpu` that come after record `index`.
    pub fn after(&self, cpu: CpuId, index: usize) -> &[usize] {
        let all = self.of(cpu);
        &all[all.partition_point(|&other| other <= index)..]
    }

    /// The records of `cpu` that come before record `index`.
    pub fn before(&self, cpu: CpuId, index: usize) -> &[usize] {
        let all = self.of(cpu);
        &all[..all.partition_point(|&other| other < index)]
    }

    /// The handler run that `cpu` is in as record `index` is made.
    pub fn handler_at(&self, cpu: CpuId, index: usize) -> Option<&Handler> {
        let runs = self.runs_of.get(cpu.index())?;
        let begun = runs.partition_point(|&run| self.handlers[run].enter <= index);
        // A run may have been interrupted by one that has ended; more deeply they do not nest.
        let last = runs[..begun].iter().rev().take(NESTED);
        last.map(|&run| &self.handlers[run])
            .find(|handler| handler.leave.is_none_or(|leave| leave > index))
    }
}
