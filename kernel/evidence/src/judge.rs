//! The judge: what the records prove of a run, whatever the guest says of itself.
//!
//! Wherever it can, it goes by what the kernel records of itself, which no protocol can write:
//! when a shootdown was asked for and returned, who might hold the translations, which handlers
//! ran, which instructions invalidated. A protocol's own words decide nothing about safety.
//!
//! What the records cannot show, since some are lost or the run ended too early, is *not judged*:
//! never held, and never broken.

use crate::{Defect, timeline::Shootdown};
use crate::{Event, Evidence, Kind, Timeline};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use shootdown::{CpuId, CpuSet, MAX_CPUS};

mod announce;
mod liveness;
mod safety;
mod serve;
mod spaces;
mod table;

#[cfg(test)]
mod tests;

pub use table::{INVARIANTS, Invariant};

/// What the records say of one invariant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It was looked at, and held each time.
    Held,
    /// It was broken.
    Broken,
    /// Nothing happened by which it could be seen.
    NotVisible,
    /// Some of it could not be judged, and the rest held.
    NotJudged,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Held => "held",
            Status::Broken => "BROKEN",
            Status::NotVisible => "not visible",
            Status::NotJudged => "not judged",
        })
    }
}

/// One invariant's row in a verdict: how often it was looked at, with what result.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Row {
    /// How often it held.
    pub held: u64,
    /// How often it was broken.
    pub broken: u64,
    /// How often it could not be judged.
    pub unjudged: u64,
}

impl Row {
    /// What that comes to.
    pub const fn status(&self) -> Status {
        match self {
            Row { broken: 1.., .. } => Status::Broken,
            Row { unjudged: 1.., .. } => Status::NotJudged,
            Row { held: 1.., .. } => Status::Held,
            _ => Status::NotVisible,
        }
    }
}

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The invariant's number; 0 if the records do not tell which.
    pub invariant: u8,
    /// The CPUs that it is about.
    pub cpus: CpuSet,
    /// The shootdown: an index in [`Timeline::shootdowns`].
    pub shootdown: Option<usize>,
    /// The records that show it: indices in [`Timeline::records`].
    pub records: Vec<usize>,
    /// A sentence: what was expected, what was seen.
    pub text: String,
    /// The last fault that was injected before it, in that shootdown's time: its record's index.
    pub fault: Option<usize>,
}

/// What the records prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The invariants' rows, I1 first.
    pub rows: [Row; 20],
    /// All that was found, in no particular order.
    pub findings: Vec<Finding>,
    /// Whether the evidence was whole and authentic.
    pub sound: bool,
}

impl Verdict {
    /// Whether the evidence was sound, and nothing was found.
    pub fn is_clean(&self) -> bool {
        self.sound && self.findings.is_empty()
    }

    /// What the records say of invariant `number`, 1 to 20.
    pub fn status(&self, number: u8) -> Status {
        let row = usize::from(number).checked_sub(1);
        row.and_then(|row| self.rows.get(row))
            .map_or(Status::NotVisible, Row::status)
    }
}

/// Judges `evidence`, whose records `timeline` has.
pub fn judge(evidence: &Evidence, timeline: &Timeline) -> Verdict {
    let mut court = Court {
        timeline,
        stands: stands(timeline),
        lossy: lossy(evidence),
        verdict: Verdict {
            rows: [Row::default(); 20],
            findings: Vec::new(),
            sound: evidence.is_sound(),
        },
    };
    for index in 0..timeline.shootdowns().len() {
        announce::judge(&mut court, index);
        safety::judge(&mut court, index);
        liveness::judge(&mut court, index);
    }
    serve::judge(&mut court);
    liveness::judge_interrupts(&mut court);
    spaces::judge(&mut court);
    court.verdict
}

/// The CPUs of which records may be missing: all, if whole frames may be.
fn lossy(evidence: &Evidence) -> CpuSet {
    let lost = |defect: &Defect| match defect {
        Defect::Lost { cpu, .. } => CpuSet::only(*cpu),
        Defect::Repeated { .. } | Defect::Duplicate { .. } | Defect::Reordered { .. } => {
            CpuSet::EMPTY
        }
        _ => CpuSet::from_bits(u64::MAX),
    };
    let lost = evidence.defects.iter().map(lost);
    lost.fold(CpuSet::EMPTY, CpuSet::or)
}

fn stands(timeline: &Timeline) -> Vec<Vec<usize>> {
    let kinds = [Kind::Park, Kind::Unpark, Kind::Stop, Kind::Resume].map(Event::Kind);
    let mut stands = alloc::vec![Vec::new(); MAX_CPUS];
    for (index, record) in timeline.records().iter().enumerate() {
        if kinds.contains(&record.event) {
            stands[record.cpu.index()].push(index);
        }
    }
    stands
}

/// The state of a judgement.
struct Court<'t> {
    timeline: &'t Timeline,
    /// For each CPU the records with which it comes to a stand, or goes on.
    stands: Vec<Vec<usize>>,
    /// The CPUs of which records may be missing.
    lossy: CpuSet,
    verdict: Verdict,
}

impl<'t> Court<'t> {
    fn shootdown(&self, index: usize) -> &'t Shootdown {
        &self.timeline.shootdowns()[index]
    }

    /// Whether `cpu` stands as record `at` is made: parked or stopped, as `kind` says.
    fn stands(&self, cpu: CpuId, at: usize, kind: Kind) -> bool {
        let over = match kind {
            Kind::Park => Kind::Unpark,
            _ => Kind::Resume,
        };
        let all = &self.stands[cpu.index()];
        let before = &all[..all.partition_point(|&index| index < at)];
        let mut before = before
            .iter()
            .rev()
            .map(|&index| &self.timeline.records()[index]);
        before
            .find(|record| record.is(kind) || record.is(over))
            .is_some_and(|record| record.is(kind))
    }

    fn row(&mut self, invariant: u8) -> Option<&mut Row> {
        let row = usize::from(invariant).checked_sub(1)?;
        self.verdict.rows.get_mut(row)
    }

    fn held(&mut self, invariant: u8) {
        if let Some(row) = self.row(invariant) {
            row.held += 1;
        }
    }

    fn unjudged(&mut self, invariant: u8) {
        if let Some(row) = self.row(invariant) {
            row.unjudged += 1;
        }
    }

    /// Enters a finding.
    fn broken(
        &mut self,
        invariant: u8,
        shootdown: Option<usize>,
        cpus: CpuSet,
        records: &[usize],
        text: String,
    ) {
        if let Some(row) = self.row(invariant) {
            row.broken += 1;
        }
        let fault = self.fault(shootdown, cpus, records);
        self.verdict.findings.push(Finding {
            invariant,
            cpus,
            shootdown,
            records: records.to_vec(),
            text,
            fault,
        });
    }

    /// The same, of something that is not there: only if no record of `cpus` can be missing.
    fn missing(
        &mut self,
        invariant: u8,
        shootdown: Option<usize>,
        cpus: CpuSet,
        records: &[usize],
        text: String,
    ) {
        if self.lossy.and(cpus).is_empty() {
            self.broken(invariant, shootdown, cpus, records, text);
        } else {
            self.unjudged(invariant);
        }
    }

    /// The last fault injected on one of the CPUs concerned, since the shootdown began, before the
    /// last of `records`.
    fn fault(&self, shootdown: Option<usize>, cpus: CpuSet, records: &[usize]) -> Option<usize> {
        let last = *records.iter().max()?;
        let first = shootdown.map_or(0, |index| self.shootdown(index).begin);
        let end = shootdown
            .and_then(|index| self.shootdown(index).end)
            .map_or(last, |end| end.max(last));
        let all = &self.timeline.records()[first..=end];
        let initiator = shootdown.map(|index| self.shootdown(index).initiator);
        let concerned = |cpu: CpuId| cpus.contains(cpu) || Some(cpu) == initiator;
        let fault = |record: &crate::Record| record.is(Kind::Fault) && concerned(record.cpu);
        all.iter().rposition(fault).map(|index| first + index)
    }

    /// The records of shootdown `index`'s own steps of that event.
    fn steps(&self, index: usize, event: Event) -> impl Iterator<Item = usize> + use<'t> {
        let timeline = self.timeline;
        let steps = timeline.shootdowns()[index].steps.iter().copied();
        steps.filter(move |&step| timeline.records()[step].event == event)
    }

    /// Where `target` acknowledged shootdown `index`: its first record of that, with its own
    /// generation.
    fn acknowledged(&self, index: usize, target: CpuId) -> Option<usize> {
        let shootdown = self.shootdown(index);
        let services = shootdown.services.iter();
        services
            .map(|&service| &self.timeline.services()[service])
            .filter(|service| service.cpu == target)
            .filter_map(|service| service.acknowledge)
            .find(|&record| {
                let seen = self.timeline.records()[record].b as u32;
                shootdown.generation.is_none_or(|wanted| wanted == seen)
            })
    }
}
