//! Lab 10, *Make it fast*: both halves of the scoreboard protocol, and where its slots lie.
//!
//! Four things are measured. *Instructions* of a one-page shootdown at three targets, in the kernel, and 200 for each write of
//! the command register: they are counted, so the figure is the same on every host. *Transfers* of cache lines, in the explorer: a CPU that reads a line which another
//! wrote last, or writes one which another has, fetches it from there. On hardware that costs 50 to 200 cycles each,
//! and the emulator shows none of it.
//!
//! *Costs* of changes of a few pages and of many, and of several in a row, in the kernel: the instructions of all that
//! happens until the initiator goes on, 200 for each INVLPG on any CPU, and for each flush 64 times 30, since the CPU has
//! to refill what it uses again and again: 64 translations, it is supposed. The emulator counts an INVLPG as one
//! instruction and the refilling as none; those three numbers are a model, rough figures of hardware. You may ask targets for
//! more than `shoot` was told to, [`Request::space`] in place of a long range, if [`Request::includes`] holds.
//!
//! *Interrupts* of shootdowns in a row, in the kernel, of a space of which most CPUs run no thread. They are lazy: they go on
//! using the space's tables, in case that it comes back, and are asked. `m.leave_if_lazy()` has this CPU leave them:
//!
//! | call | what it does | ordering | costs |
//! |---|---|---|---|
//! | `m.leave_if_lazy()` | for a handler: if no thread of the space runs here, loads the kernel's tables and leaves the active set; whether it did. All but global translations are forgotten | a full fence | a load of CR3 and a locked instruction, once; its next thread of the space pays for the way back |
//!
//! A handler that serves and then leaves:
//!
//! ```
//! use lab::*;
//!
//! fn serve<M: Machine>(m: &M, request: &Request) {
//!     m.invalidate(request);
//!     m.leave_if_lazy();
//! }
//! ```
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

    /// One request in place of two that one initiator has yet to shoot, or `None`, which has them shot one after the
    /// other. What is returned [`includes`](Request::includes) both: [`Request::range`] and [`Request::space`] make
    /// such. With three or more it is asked for what it returned and the next. A function of the two alone.
    ///
    /// A program that changes several pages need not wait for each: what counts is that all are forgotten before it goes
    /// on.
    ///
    /// ```
    /// use lab::*;
    ///
    /// /// Two requests of the same space, if one includes the other.
    /// fn gather(first: &Request, second: &Request) -> Option<Request> {
    ///     first.includes(second).then_some(*first)
    /// }
    /// # let space = SpaceId(1);
    /// # let page = Request::page(space, 0x40_0000).unwrap();
    /// # assert_eq!(gather(&Request::space(space), &page), Some(Request::space(space)));
    /// ```
    fn gather(first: &Request, second: &Request) -> Option<Request> {
        let _ = (first, second);
        None
    }
}

/// A cache line of slots.
#[repr(align(64))]
struct Line<M: Machine>([M::Word<u32, Slot>; SLOTS_PER_LINE]);

/// The protocol's words, the slots where the solution put them.
pub struct Board<M: Machine> {
    reference: Scoreboard<M>,
    lines: Box<[Line<M>]>,
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
        let line = |_| Line(core::array::from_fn(|_| m.word(1)));
        Board {
            reference: Scoreboard::new(m, cpus, settings),
            lines: (0..used.div_ceil(SLOTS_PER_LINE)).map(line).collect(),
            place: if bad.is_some() { anywhere } else { S::place },
            cpus,
            bad: bad.or_else(gathers_less::<S>),
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
        &self.lines[place / SLOTS_PER_LINE].0[place % SLOTS_PER_LINE]
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

/// What `gather` leaves out of two requests, if anything: asked for all pairs of some that differ in each way.
fn gathers_less<S: Fast>() -> Option<String> {
    let [space, other] = [SpaceId(1), SpaceId(2)];
    let range = |space, first: u64, pages: u64| {
        let start = 0x40_0000 + first * PAGE_SIZE;
        Request::range(space, start, start + pages * PAGE_SIZE).expect("canonical addresses")
    };
    let last = Request::page(space, u64::MAX).expect("a canonical address");
    let all = [
        range(space, 0, 1),
        range(space, 1, 1),
        range(space, 3, 1),
        range(space, 0, 8),
        range(space, 4, 40),
        range(space, 1000, 2),
        range(other, 1, 1),
        range(SpaceId::KERNEL, 1, 1),
        last,
        Request::space(space),
        Request::space(other),
        Request::global(),
        Request::cache(),
    ];
    let pairs = all
        .iter()
        .flat_map(|first| all.iter().map(move |second| (first, second)));
    let mut wrong = pairs.filter_map(|(first, second)| {
        let both = S::gather(first, second)?;
        let missing = [first, second]
            .into_iter()
            .find(|one| !both.includes(one))?;
        Some(format!(
            "gather: {both}, in place of {first} and {second}, leaves out {missing}"
        ))
    });
    wrong.next()
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

    fn gather(&self, first: &Request, second: &Request) -> Option<Request> {
        S::gather(first, second)
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
