//! The scoreboard's words, for a solution that is one half of the protocol.

use alloc::boxed::Box;
use shootdown::scoreboard::RequestWords;
use shootdown::{CpuId, Machine, Plain, Protocol, Scoreboard, Settings, Slot};

/// The words through which initiators and targets talk: a request for each CPU, which it alone writes, and a
/// slot for each pair.
///
/// A slot is 0 while `initiator` waits for `target`, else the generation that `target` acknowledged last.
pub struct Board<M: Machine> {
    pub(crate) reference: Scoreboard<M>,
    notes: Box<[M::Word<u64, Plain>]>,
    cpus: usize,
}

impl<M: Machine> Board<M> {
    pub(crate) fn new(m: &M, cpus: usize, settings: Settings) -> Self {
        let settings = Settings {
            padded: false,
            ..settings
        };
        Board {
            reference: Scoreboard::new(m, cpus, settings),
            notes: (0..cpus).map(|_| m.word(0)).collect(),
            cpus,
        }
    }

    /// How many CPUs there are: numbers 0 to `cpus - 1`.
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    /// What `initiator` asks. [`publish`](RequestWords::publish) writes it, [`copy`](RequestWords::copy) reads it.
    ///
    /// # Panics
    /// If there is no such CPU.
    pub fn request(&self, initiator: CpuId) -> &RequestWords<M> {
        self.reference.request_words(initiator)
    }

    /// A word of `initiator`'s own, 0 at first, for what it has to remember from one shootdown to the next.
    ///
    /// # Panics
    /// If there is no such CPU.
    pub fn note(&self, initiator: CpuId) -> &M::Word<u64, Plain> {
        &self.notes[initiator.index()]
    }

    /// The slot in which `target` acknowledges what `initiator` asks: rows are targets, columns initiators.
    ///
    /// # Panics
    /// If there is no such CPU.
    pub fn slot(&self, target: CpuId, initiator: CpuId) -> &M::Word<u32, Slot> {
        match self.reference.slot(target, initiator) {
            Some(slot) => slot,
            None => panic!("there is no slot (target {target}, initiator {initiator})"),
        }
    }
}
