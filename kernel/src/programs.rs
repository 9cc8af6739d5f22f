//! Ring-3 programs in address spaces: started, watched, stopped, cleared away.
//!
//! The image is mapped read-execute in a space when the first program starts there, and stays. A
//! program's own page holds its block and its stack, between pages that are never mapped; it is
//! taken away, and its frame freed by the proof of a shootdown, when the program has ended and
//! nobody looks at it any more.

mod group;
mod place;
mod proof;
mod witness;

use crate::space::{self, Space};
use crate::syscall::Outcome;
use crate::{machine, thread};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use hw::clock;
use hw::programs::{PROGRAMS, Parameter, block, region};
use hw::sync::Lock;
use place::Place;
use shootdown::{CpuId, CpuSet};
use thread::UserStart;

pub use group::{Group, STOP_US, stop};
pub use hw::programs::Program;
pub use proof::{
    ring_3_reads_no_old_frame_after_a_shootdown, ring_3_reads_the_old_frame_until_it_is_shot_down,
};
pub use witness::{Doubt, Mark, Watch, Witnesses};

/// How long whoever waits for a program usually waits, in microseconds of the machine's time.
pub const PATIENCE_US: u64 = 60_000_000;

/// The programs' names, as they are listed.
pub fn names() -> Vec<String> {
    PROGRAMS
        .iter()
        .map(|program| program.name.to_string())
        .collect()
}

/// Why a program did not start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotLaunched {
    /// No program has the name.
    Unknown,
    /// This argument has no default, and is missing.
    Missing(&'static Parameter),
    /// It was given more arguments than it takes.
    TooMany,
    /// The CPU does not run.
    Offline(CpuId),
    /// As many programs run in the space as fit.
    Full,
    /// The space refused its pages.
    Space(space::Error),
    /// No thread could be made.
    NoThread,
}

impl fmt::Display for NotLaunched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotLaunched::Unknown => f.write_str("no program has this name"),
            NotLaunched::Missing(parameter) => write!(f, "{} is missing", parameter.name),
            NotLaunched::TooMany => f.write_str("it takes fewer arguments"),
            NotLaunched::Offline(cpu) => write!(f, "CPU {cpu} does not run"),
            NotLaunched::Full => write!(
                f,
                "{} programs run in the space already",
                region::SLOT_COUNT
            ),
            NotLaunched::Space(space::Error::Map(error)) => {
                write!(f, "its pages cannot be mapped: {error}")
            }
            NotLaunched::Space(space::Error::Abandoned) => f.write_str("a shootdown was given up"),
            NotLaunched::NoThread => thread::NoThread.fmt(f),
        }
    }
}

impl From<space::Error> for NotLaunched {
    fn from(error: space::Error) -> Self {
        NotLaunched::Space(error)
    }
}

/// How a program ended, and what it had to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// How.
    pub outcome: Outcome,
    /// The rounds that it completed.
    pub rounds: u64,
    /// The ticks that it measured.
    pub ticks: u64,
    /// Its result words, in the order of [`Program::results`].
    pub results: [u64; block::RESULTS],
}

/// A program that was started. It runs on if this is dropped; its page goes when both are gone.
#[derive(Debug)]
pub struct Running {
    program: &'static Program,
    cpu: CpuId,
    shared: Arc<Shared>,
}

/// What the program's thread and its watcher share.
#[derive(Debug)]
struct Shared {
    place: Place,
    done: AtomicBool,
    outcome: Lock<Option<Outcome>>,
}

/// Starts `program` in `space` on `cpu`, and only there. Arguments that are left out take their
/// defaults.
///
/// # Errors
/// [`NotLaunched`]; nothing of it is left in the space then.
pub fn launch(
    space: &Arc<Space>,
    program: &'static Program,
    arguments: &[u64],
    cpu: CpuId,
) -> Result<Running, NotLaunched> {
    if !machine::online().contains(cpu) {
        return Err(NotLaunched::Offline(cpu));
    }
    place::install(space)?;
    let place = Place::new(space, &complete(program, arguments)?)?;
    let start = UserStart {
        rip: region::TEXT + program.entry(),
        rsp: place.block(),
        argument: place.block(),
    };
    let shared = Arc::new(Shared {
        place,
        done: AtomicBool::new(false),
        outcome: Lock::new(None),
    });
    let theirs = shared.clone();
    thread::spawn_user(
        program.name,
        CpuSet::only(cpu),
        space.clone(),
        start,
        move |outcome| {
            *theirs.outcome.lock() = Some(outcome);
            theirs.done.store(true, Release);
        },
    )
    .map_err(|_| NotLaunched::NoThread)?;
    Ok(Running {
        program,
        cpu,
        shared,
    })
}

/// As [`launch`], for whoever knows the program by its name.
///
/// # Errors
/// [`NotLaunched`].
pub fn launch_named(
    space: &Arc<Space>,
    name: &str,
    arguments: &[u64],
    cpu: CpuId,
) -> Result<Running, NotLaunched> {
    launch(
        space,
        Program::find(name).ok_or(NotLaunched::Unknown)?,
        arguments,
        cpu,
    )
}

fn complete(
    program: &'static Program,
    given: &[u64],
) -> Result<[u64; block::ARGUMENTS], NotLaunched> {
    if given.len() > program.parameters.len() {
        return Err(NotLaunched::TooMany);
    }
    let mut all = [0; block::ARGUMENTS];
    for (number, parameter) in program.parameters.iter().enumerate() {
        let value = given.get(number).copied().or(parameter.default);
        all[number] = value.ok_or(NotLaunched::Missing(parameter))?;
    }
    Ok(all)
}

impl Running {
    /// What runs.
    pub fn program(&self) -> &'static Program {
        self.program
    }

    /// Where.
    pub fn cpu(&self) -> CpuId {
        self.cpu
    }

    /// Whether it has ended.
    pub fn is_done(&self) -> bool {
        self.shared.done.load(Acquire)
    }

    /// How many rounds it has completed.
    pub fn rounds(&self) -> u64 {
        self.word(block::ROUNDS)
    }

    /// How it ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        if !self.is_done() {
            return None;
        }
        Some(Ending {
            outcome: self.shared.outcome.lock().clone()?,
            rounds: self.rounds(),
            ticks: self.word(block::TICKS),
            results: core::array::from_fn(|number| self.word(block::RESULT + number)),
        })
    }

    /// Waits until it has ended, for `us` microseconds at most.
    pub fn wait(&self, us: u64) -> Option<Ending> {
        let deadline = clock::Deadline::after_us(us);
        self.wait_unless(|| deadline.expired())
    }

    /// Waits until it has ended, or `give_up` says so: Ctrl-C was typed, for one.
    pub fn wait_unless(&self, give_up: impl FnMut() -> bool) -> Option<Ending> {
        wait_until(|| self.is_done(), give_up);
        self.ending()
    }

    /// Sets word `index` of its block. Of one whose page is gone, nothing.
    pub(super) fn put(&self, index: usize, value: u64) {
        let place = &self.shared.place;
        let _ = place.space().put(place.block() + 8 * index as u64, value);
    }

    /// Word `index` of its block, as it stands in memory.
    fn word(&self, index: usize) -> u64 {
        self.shared.place.word(index)
    }
}

/// Waits until `done` or `give_up`. Spins a little at first, since a doze lasts up to a tick.
fn wait_until(mut done: impl FnMut() -> bool, mut give_up: impl FnMut() -> bool) {
    for turn in 0..2000_u32 {
        if done() {
            return;
        }
        if turn.is_multiple_of(64) {
            thread::yield_now();
        }
        spin_loop();
    }
    while !done() && !give_up() {
        thread::doze();
    }
}
