//! Lab 10, *Make it fast*: both halves of the scoreboard protocol, and where its slots lie.
//!
//! Two things are measured. *Instructions* of a one-page shootdown at three targets, in the kernel: they are counted, so
//! the figure is the same on every host. *Transfers* of cache lines, in the explorer: a CPU that reads a line which another
//! wrote last, or writes one which another has, fetches it from there. On hardware that costs 50 to 200 cycles each,
//! and the emulator shows none of it.
//!
//! A line is 64 bytes: [`SLOTS_PER_LINE`] slots. A CPU's request has a line of its own.

pub use crate::*;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use shootdown::{Protocol, RequestHead, RequestView, Scoreboard, Settings};

/// Whether each pair of CPUs has a slot of its own.
pub const PAIRS: bool = true;
/// Whether a target acknowledges before it invalidates.
pub const EARLY: bool = true;
/// How many slots a cache line holds.
pub const SLOTS_PER_LINE: usize = 16;
/// How many lines there are for slots, for each CPU.
pub const LINES_PER_CPU: usize = 8;

/// How many CPUs a machine may have: each pair has a place of its own then too.
const MOST_CPUS: usize = 64;

/// What a solution of lab 10 is: the type `Student` implements it.
pub trait Fast: 'static {
    /// Where the slot of `target` for `initiator` lies: below `cpus * LINES_PER_CPU * SLOTS_PER_LINE`, another for each
    /// pair. Slots of one line have numbers that are equal when divided by [`SLOTS_PER_LINE`].
    fn place(cpus: usize, target: CpuId, initiator: CpuId) -> usize;

    /// As in lab 4.
    ///
    /// # Errors
    /// [`Abandoned`], if a wait was.
    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned>;

    /// As in lab 5.
    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32;
}

/// The protocol's words, the slots where the solution put them.
pub struct Board<M: Machine> {
    reference: Scoreboard<M>,
    slots: Box<[M::Word<u32, Slot>]>,
    /// Where place 0 is: at the beginning of a line.
    base: usize,
    place: fn(usize, CpuId, CpuId) -> usize,
    cpus: usize,
    bad: Option<String>,
}

impl<M: Machine> Board<M> {
    fn new<S: Fast>(m: &M, cpus: usize, settings: Settings) -> Self {
        let (mut at, mut bad) = places::<S>(cpus);
        if bad.is_none() {
            // What is right for a few CPUs is to be right for all that a machine may have.
            let most = places::<S>(MOST_CPUS).1;
            bad = most.map(|bad| format!("{bad}, on a machine of {MOST_CPUS} CPUs"));
        }
        if bad.is_some() {
            at = (0..cpus * cpus).collect();
        }
        let words = cpus * LINES_PER_CPU * SLOTS_PER_LINE;
        let used = at.iter().max().map_or(0, |last| last + 1).min(words);
        let slots: Box<[_]> = (0..used + SLOTS_PER_LINE - 1).map(|_| m.word(1)).collect();
        let base = slots.as_ptr().align_offset(64).min(SLOTS_PER_LINE - 1);
        Board {
            reference: Scoreboard::new(m, cpus, settings),
            slots,
            base,
            place: if bad.is_some() { anywhere } else { S::place },
            cpus,
            bad,
        }
    }

    /// How many CPUs there are: numbers 0 to `cpus - 1`.
    #[inline(always)]
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    /// What `initiator` asks.
    ///
    /// # Panics
    /// If there is no such CPU.
    #[inline(always)]
    pub fn request(&self, initiator: CpuId) -> &RequestWords<M> {
        self.reference.request_words(initiator)
    }

    /// The slot at a place, one that [`Fast::place`] gives.
    ///
    /// # Panics
    /// If no slot lies there or further on.
    #[inline(always)]
    pub fn at(&self, place: usize) -> &M::Word<u32, Slot> {
        &self.slots[self.base + place]
    }
}

/// Where the solution puts the slots, as far as nothing is wrong with that, and what is.
fn places<S: Fast>(cpus: usize) -> (Vec<usize>, Option<String>) {
    let words = cpus * LINES_PER_CPU * SLOTS_PER_LINE;
    let mut taken = vec![false; words];
    let mut places = Vec::new();
    for target in (0..cpus).filter_map(CpuId::new) {
        for initiator in (0..cpus).filter_map(CpuId::new) {
            let place = S::place(cpus, target, initiator);
            let pair = format!("place: the slot of target {target} for initiator {initiator}");
            let bad = match taken.get(place) {
                None => Some(format!(
                    "{pair} lies at {place}, and there are {words} places"
                )),
                Some(true) => Some(format!("{pair} lies at {place}, where another does")),
                Some(false) => None,
            };
            if bad.is_some() {
                return (places, bad);
            }
            taken[place] = true;
            places.push(place);
        }
    }
    (places, None)
}

/// Where slots lie for which the solution has no good place.
fn anywhere(cpus: usize, target: CpuId, initiator: CpuId) -> usize {
    target.index() * cpus + initiator.index()
}

/// On which line the slot of a pair lies.
pub fn lines<S: Fast>() -> Option<fn(usize, CpuId, CpuId) -> usize> {
    Some(|cpus, target, initiator| S::place(cpus, target, initiator) / SLOTS_PER_LINE)
}

kit_membership!(Fast);
kit_transport!(Fast);

/// The solution, as a protocol.
struct Whole<M: Machine, S> {
    board: Board<M>,
    solution: core::marker::PhantomData<fn() -> S>,
}

/// Builds the protocol for CPUs 0 to `cpus - 1`.
pub fn build<S: Fast, M: Machine>(m: &M, cpus: usize, settings: Settings) -> Box<dyn Protocol<M>> {
    Box::new(Whole::<M, S> {
        board: Board::new::<S>(m, cpus, settings),
        solution: core::marker::PhantomData,
    })
}

impl<M: Machine, S: Fast> Protocol<M> for Whole<M, S> {
    fn name(&self) -> &'static str {
        "student"
    }

    fn shoot(&self, m: &M, request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
        if let Some(bad) = &self.board.bad {
            panic!("{bad}");
        }
        S::shoot(m, &self.board, request, targets)
    }

    fn handle(&self, m: &M) -> u32 {
        S::handle(m, &self.board)
    }

    fn slot(&self, target: CpuId, initiator: CpuId) -> Option<&M::Word<u32, Slot>> {
        let there = target.index().max(initiator.index()) < self.board.cpus;
        there.then(|| {
            let board = &self.board;
            board.at((board.place)(board.cpus, target, initiator))
        })
    }

    fn head(&self, initiator: CpuId) -> Option<&M::Word<u64, RequestHead>> {
        self.board.reference.head(initiator)
    }

    fn request(&self, initiator: CpuId) -> Option<RequestView> {
        Protocol::request(&self.board.reference, initiator)
    }

    fn outstanding(&self, initiator: CpuId) -> CpuSet {
        let cpus = (0..self.board.cpus).filter_map(CpuId::new);
        let late = |&target: &CpuId| {
            self.slot(target, initiator)
                .is_some_and(|slot| slot.peek(Acquire) == 0)
        };
        cpus.filter(late).collect()
    }
}
