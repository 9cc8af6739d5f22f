//! Who answers what the code does: in this process, or in another.
//!
//! The search never runs the code that it explores. It asks: having been called for this, and having been answered
//! that by the machine, what does the code ask next? Whoever [`Code`] is answers: a [`Subject`](crate::Subject) that
//! is linked in, or an [`Answerer`](crate::Answerer), a process of its own, for code that nobody trusts.

use crate::calls::Call;
use crate::op::{Op, WordId};
use crate::ringing::Apic;
use crate::scene::{Memory, Scene};
use serde::{Deserialize, Serialize};
use shootdown::{Abandoned, CpuId, Mode};
use std::sync::Arc;

/// Where in the source an operation is asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Source {
    file: Arc<str>,
    line: u32,
}

impl Source {
    /// The line, from 1, of a file.
    pub fn new(file: &str, line: u32) -> Self {
        Source {
            file: file.into(),
            line,
        }
    }

    /// The file, as the compiler was given it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }
}

/// What the code is built for: as much of a [`Scene`] as it can know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// CPUs 0 to this less one.
    pub cpus: usize,
    /// What address translation uses.
    #[serde(with = "crate::wire::mode")]
    pub mode: Mode,
    /// How many pages' entries there are.
    pub pages: u8,
    /// Where CPUs switch between spaces: PCIDs are below this, and whether every activation must keep what the TLB
    /// holds.
    pub spaces: Option<(u16, bool)>,
    /// The local APICs, where the code that sends is explored.
    pub apic: Option<Apic>,
    /// Whether the orderings that it asks for are judged as well.
    pub orders: bool,
}

impl Setup {
    /// As much of `scene`.
    #[must_use]
    pub fn of(scene: &Scene) -> Setup {
        let switching = scene.switching.as_ref();
        Setup {
            cpus: scene.cpus,
            mode: switching.map_or(Mode::Plain, |switching| switching.mode),
            pages: scene.pages,
            spaces: switching.map(|switching| (switching.pcids, switching.keeps)),
            apic: scene.apic,
            orders: scene.memory == Memory::Relaxed,
        }
    }
}

/// What the code says of itself when it is built.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Declared {
    /// Its words, by number: what each holds at first, and the name of its [`Role`](shootdown::Role).
    pub words: Vec<(u64, &'static str)>,
    /// The first word of each CPU's request.
    pub heads: Vec<Option<WordId>>,
    /// The slot of each pair, at target times CPUs plus initiator.
    pub slots: Vec<Option<WordId>>,
    /// The cache line of each slot; each has one of its own unless it is said.
    pub lines: Option<Vec<usize>>,
    /// Whether it has its own way to send interrupts. Only where there is a command register.
    pub sends: bool,
}

impl Declared {
    /// The first word of `initiator`'s request.
    pub(crate) fn head(&self, initiator: CpuId) -> Option<WordId> {
        self.heads.get(initiator.index()).copied().flatten()
    }

    /// The slot in which `target` acknowledges to `initiator`.
    pub(crate) fn slot(&self, target: CpuId, initiator: CpuId) -> Option<WordId> {
        let slot = target.index() * self.heads.len() + initiator.index();
        self.slots.get(slot).copied().flatten()
    }
}

/// How far a call gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reached {
    /// It asks this next, there.
    Asks(Op, Source),
    /// It is over; what it came to.
    Over(Result<(), Abandoned>),
    /// It panicked.
    Panicked(String),
    /// There is no answer, for this reason: the code's own fault.
    Silent(String),
}

/// What the code did with the answers that it got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The operations that the answers were to.
    pub asked: Vec<Op>,
    /// What came then.
    pub reached: Reached,
}

impl Answer {
    pub(crate) fn silent(why: impl Into<String>) -> Answer {
        Answer {
            asked: Vec::new(),
            reached: Reached::Silent(why.into()),
        }
    }
}

/// Code that was built for a [`Setup`].
pub trait Built: Sync {
    /// What it says of itself.
    fn declared(&self) -> &Declared;

    /// What it does when it is called for `call` and the machine answers so.
    fn ask(&self, call: Call, answers: &[u64]) -> Answer;
}

/// Code that can be explored.
pub trait Code {
    /// Builds it. What cannot be built answers nothing.
    fn build(&self, setup: &Setup) -> Box<dyn Built + '_>;

    /// What went wrong that is not the code's fault: then whatever was found means nothing.
    fn fault(&self) -> Option<String> {
        None
    }
}
