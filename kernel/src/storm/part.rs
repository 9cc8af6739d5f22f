//! One CPU's part in a storm: it changes its pages, and reads everybody's.

use super::pages::{Block, Violation};
use crate::random::Random;
use crate::space::Space;
use crate::{console, protocols, thread, violations};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};
use hw::clock::{self, Deadline};
use hw::frames::Frame;
use hw::paging::MapError;
use hw::sync::Lock;
use shootdown::{Acknowledged, CpuId, CpuSet, Flush};

/// The most pages a CPU reads between two shootdowns of its own.
const SWEEP: u64 = 64;
/// How often a CPU without work reads after each interrupt.
const SWEEPS: u64 = 8;
/// The most turns of `pause` between two rounds. How many is drawn from the seed, so that seeds
/// vary the interleaving of deterministic runs.
const PAUSES: u64 = 8;
/// How many violations are kept with all they say; more are only counted.
const KEPT: usize = 8;
/// How long a wait is taken up again and again that ended for no fault of a target, while nobody
/// gets on, in microseconds.
const PATIENCE_US: u64 = 60_000_000;

/// What one CPU did.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The CPU.
    pub cpu: CpuId,
    /// Shootdowns that it made.
    pub shootdowns: u64,
    /// How many of them asked another CPU.
    pub published: u64,
    /// The targets of all of them together.
    pub asked: u64,
    /// Waits that ended for no fault of a target, and were taken up again.
    pub resumed: u64,
    /// Reads that were judged.
    pub reads: u64,
    /// The time-stamp counter after its last shootdown; 0 if it made none.
    pub ended: u64,
    /// Why it ended early.
    pub error: Option<Error>,
}

/// Why an initiator ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The page tables refused.
    Map(MapError),
    /// These CPUs did not acknowledge in time.
    Silent(CpuSet),
}

/// What the CPUs of a storm share.
#[derive(Debug)]
pub struct Shared {
    /// The space that all of them are in.
    pub space: Arc<Space>,
    rounds: u64,
    blocks: Vec<Block>,
    arrived: AtomicU64,
    begun: AtomicBool,
    stop: AtomicBool,
    /// How many initiators have rounds to make.
    initiating: AtomicU64,
    violations: AtomicU64,
    first_violations: Lock<Vec<Violation>>,
}

impl Shared {
    /// A storm that has not begun, in `space`, where the pages of `blocks` are mapped.
    pub fn new(rounds: u64, space: Arc<Space>, blocks: Vec<Block>) -> Shared {
        Shared {
            space,
            rounds,
            initiating: AtomicU64::new(blocks.len() as u64),
            blocks,
            arrived: AtomicU64::new(0),
            begun: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            violations: AtomicU64::new(0),
            first_violations: Lock::new(Vec::with_capacity(KEPT)),
        }
    }

    /// How many CPUs are ready.
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Acquire)
    }

    /// Lets all of them begin.
    pub fn begin(&self) {
        self.begun.store(true, Release);
    }

    /// Ends everything after the round.
    pub fn stop(&self) {
        self.stop.store(true, Release);
    }

    /// Whether it was ended.
    pub fn stopped(&self) -> bool {
        self.stop.load(Acquire)
    }

    /// How many rounds all initiators together have made by now.
    pub fn rounds_made(&self) -> u64 {
        self.blocks.iter().map(Block::committed).sum()
    }

    /// How many reads were violations, and the first of them.
    pub fn violations(&self) -> (u64, Vec<Violation>) {
        (
            self.violations.load(Acquire),
            self.first_violations.lock().clone(),
        )
    }

    /// What the thread on CPU `me` does.
    pub fn take(&self, me: CpuId) -> Tally {
        let mut part = Part {
            storm: self,
            random: Random::new(me.index() as u64 + 1),
            next: 0,
            tally: Tally::new(me),
        };
        self.arrived.fetch_add(1, AcqRel);
        // The shell notices at its next timer tick that all have arrived.
        while !self.begun.load(Acquire) && !self.stopped() {
            clock::compute();
        }
        if let Some(block) = self.blocks.iter().find(|block| block.owner == me) {
            if let Err(error) = part.initiate(block) {
                part.tally.error = Some(error);
                self.stop();
            }
            self.initiating.fetch_sub(1, AcqRel);
        }
        while self.initiating.load(Acquire) > 0 && !self.stopped() {
            for _ in 0..SWEEPS {
                part.sweep();
                spin_loop();
            }
            // Every change comes with an interrupt to this CPU, which ends its sleep; and who
            // sleeps leaves the host's processors to those who have work.
            thread::doze();
        }
        part.tally
    }

    #[cold]
    fn note(&self, violation: Violation) {
        violations::note(violation.into());
        self.violations.fetch_add(1, AcqRel);
        let mut first = self.first_violations.lock();
        if first.len() < KEPT {
            first.push(violation);
        }
    }
}

impl Tally {
    fn new(cpu: CpuId) -> Tally {
        Tally {
            cpu,
            shootdowns: 0,
            published: 0,
            asked: 0,
            resumed: 0,
            reads: 0,
            ended: 0,
            error: None,
        }
    }
}

/// A CPU that takes part.
struct Part<'s> {
    storm: &'s Shared,
    random: Random,
    /// The page that the next sweep begins with.
    next: u64,
    tally: Tally,
}

impl Part<'_> {
    /// Makes the rounds of `block`.
    fn initiate(&mut self, block: &Block) -> Result<(), Error> {
        for round in 1..=self.storm.rounds {
            if self.storm.stopped() {
                break;
            }
            self.change(block, round)?;
            self.sweep();
            for _ in 0..self.random.below(PAUSES) {
                spin_loop();
            }
        }
        Ok(())
    }

    /// One round: fresh frames under all pages of `block`, and one shootdown.
    fn change(&mut self, block: &Block, round: u64) -> Result<(), Error> {
        let flush = self
            .storm
            .space
            .replace(block.base, block.tags(round))
            .map_err(Error::Map)?;
        let (old, proof) = self.shoot(flush)?;
        block.commit(round);
        // At once, so that others get these very frames: whoever still reads through a dead
        // translation sees poison, or their tags.
        drop(old);
        self.tally.shootdowns += 1;
        self.tally.published += u64::from(proof.generation().is_some());
        self.tally.asked += proof.targets().len() as u64;
        self.tally.ended = clock::now();
        Ok(())
    }

    /// Shoots. Is not put off by Ctrl-C, nor by a lock that others hold for ages, as where CPUs are
    /// many and the host has few: the frames would be lost.
    fn shoot(&mut self, mut flush: Flush<Vec<Frame>>) -> Result<(Vec<Frame>, Acknowledged), Error> {
        let (mut deadline, mut made) = (Deadline::after_us(PATIENCE_US), 0);
        loop {
            match protocols::flush(flush) {
                Ok(done) => return Ok(done),
                Err(late) => flush = late,
            }
            // As long as others get on, this one's turn may yet come.
            let made_since = self.storm.rounds_made();
            if made_since != made {
                (made, deadline) = (made_since, Deadline::after_us(PATIENCE_US));
            }
            let silent = protocols::outstanding(self.tally.cpu);
            if deadline.expired() || !(silent.is_empty() || console::interrupted()) {
                // The flush is lost, and counted as such.
                let _ = flush.abandon();
                return Err(Error::Silent(silent));
            }
            self.tally.resumed += 1;
        }
    }

    /// Reads pages of all initiators, going on where the last sweep ended.
    fn sweep(&mut self) {
        let blocks = &self.storm.blocks;
        let per_block = blocks.first().map_or(1, |block| block.pages);
        let all = blocks.len() as u64 * per_block;
        for _ in 0..all.min(SWEEP) {
            let page = self.next % all;
            self.next = page + 1;
            self.tally.reads += 1;
            if let Err(violation) = blocks[(page / per_block) as usize].check(page % per_block) {
                self.storm.note(violation);
            }
        }
    }
}
