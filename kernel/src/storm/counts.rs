//! What the CPUs counted during a storm, and what must agree.

use super::Tally;
use crate::protocols;
use alloc::vec::Vec;
use hw::percpu::{self, Counter};
use shootdown::{CpuId, CpuSet, Point};

/// What each CPU had counted at one moment, while no shootdown was under way.
#[derive(Debug)]
pub struct Counts {
    cpus: CpuSet,
    points: Vec<[u64; Point::COUNT]>,
    counters: Vec<[u64; Counter::COUNT]>,
}

impl Counts {
    /// What `cpus` have counted by now, but for the most served in one interrupt, which begins
    /// anew.
    pub fn take(cpus: CpuSet) -> Counts {
        let points = |cpu| Point::ALL.map(|point| percpu::of(cpu).passed(point));
        let counters = |cpu| Counter::NAMES.map(|(counter, _)| percpu::of(cpu).counted(counter));
        let counts = Counts {
            cpus,
            points: cpus.into_iter().map(points).collect(),
            counters: cpus.into_iter().map(counters).collect(),
        };
        for cpu in cpus {
            percpu::of(cpu).exchange(Counter::MostServed, 0);
        }
        counts
    }

    /// What was counted since, and the most served in one interrupt since; that counter is put
    /// back to the most since boot.
    pub fn since(&self) -> (Counts, u64) {
        let most = |cpu| percpu::of(cpu).counted(Counter::MostServed);
        let most_served = self.cpus.into_iter().map(most).max().unwrap_or(0);
        let mut now = Counts::take(self.cpus);
        for (index, cpu) in self.cpus.into_iter().enumerate() {
            let column = &mut now.counters[index];
            let highest = column[Counter::MostServed as usize]
                .max(self.counters[index][Counter::MostServed as usize]);
            percpu::of(cpu).exchange(Counter::MostServed, highest);
            subtract(column, &self.counters[index]);
            subtract(&mut now.points[index], &self.points[index]);
        }
        (now, most_served)
    }

    /// How often all CPUs together passed `point`.
    pub fn points(&self, point: Point) -> u64 {
        self.points
            .iter()
            .map(|points| points[point as usize])
            .sum()
    }

    /// What a counter of all CPUs together stands at.
    pub fn counters(&self, counter: Counter) -> u64 {
        self.counters
            .iter()
            .map(|counters| counters[counter as usize])
            .sum()
    }

    /// How often `cpu` passed `point`.
    fn of(&self, cpu: CpuId, point: Point) -> u64 {
        let index = self.cpus.into_iter().position(|other| other == cpu);
        index.map_or(0, |index| self.points[index][point as usize])
    }
}

/// Counters wrap no sooner than a machine ends, but `stats reset` may come between.
fn subtract(counts: &mut [u64], before: &[u64]) {
    for (count, before) in counts.iter_mut().zip(before) {
        *count = count.saturating_sub(*before);
    }
}

/// Two numbers that must agree.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What is counted.
    pub name: &'static str,
    /// What it is compared with.
    pub against: &'static str,
    /// The count.
    pub count: u64,
    /// What it must be, or must not exceed.
    pub bound: u64,
    /// Whether it is as it must be.
    pub holds: bool,
}

fn equal(name: &'static str, count: u64, against: &'static str, bound: u64) -> Check {
    Check {
        name,
        against,
        count,
        bound,
        holds: count == bound,
    }
}

fn at_most(name: &'static str, count: u64, against: &'static str, bound: u64) -> Check {
    Check {
        name,
        against,
        count,
        bound,
        holds: count <= bound,
    }
}

/// Compares what the CPUs counted with what the initiators were told.
pub fn reconcile(counts: &Counts, tallies: &[Tally]) -> Vec<Check> {
    let sum = |what: fn(&Tally) -> u64| tallies.iter().map(what).sum::<u64>();
    let (made, published, asked) = (
        sum(|t| t.shootdowns),
        sum(|t| t.published),
        sum(|t| t.asked),
    );
    // CPU by CPU as well: a request in another CPU's words would not show in the sum.
    let strays = tallies
        .iter()
        .map(|t| counts.of(t.cpu, Point::Publish).abs_diff(t.published))
        .sum();
    let point = |point| counts.points(point);
    let sent = counts.counters(Counter::IpisSent);
    let protocol = protocols::in_use().entry;
    let each = if protocol.one_each { equal } else { at_most };
    let zeroes = protocol
        .pairs
        .then(|| equal("zero", point(Point::Zero), "targets asked", asked));
    // What is sent again is counted with what was sent first.
    let resent = counts.counters(Counter::Resent);
    let checks = [
        equal("pin", point(Point::Pin), "shootdowns", made),
        equal(
            "publish",
            point(Point::Publish),
            "shootdowns that asked a CPU",
            published,
        ),
        equal("publish on a wrong CPU", strays, "none", 0),
        equal(
            "acknowledge",
            point(Point::Acknowledge),
            "targets asked",
            asked,
        ),
        each(
            "invalidate",
            point(Point::Invalidate),
            "targets asked",
            asked,
        ),
        equal("wait", point(Point::Wait), "done", point(Point::Done)),
        each("ipis-sent", sent - resent.min(sent), "targets asked", asked),
        at_most(
            "ipis-received",
            counts.counters(Counter::IpisReceived),
            "ipis-sent",
            sent,
        ),
    ];
    checks.into_iter().chain(zeroes).collect()
}
