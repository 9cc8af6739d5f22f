//! Witnesses in the background: ring-3 readers on chosen CPUs, and the board that says what each
//! page must show them.
//!
//! **What a violation is.** A page is *settled* when a shootdown that began after its entry was
//! last changed has returned, and left no CPU out: no read that begins from then on may go through
//! an older entry. The board then says so to the witnesses, and takes it back before the entry is
//! changed the next time. A witness loads what is said, reads the page, and loads what is said
//! again. If both say the same and the page showed something else, the read came after the
//! shootdown returned and before the next change: it went through a dead translation.
//!
//! **Why there is no false alarm.** What is said is taken back, and that is visible to all, before
//! the entry is stored; a walk that finds the new entry is older than the witness's second load,
//! which therefore sees that nothing is said (loads are not reordered among themselves). Every
//! frame's tag is its own, so "the same" cannot be a later state that looks alike. A witness runs in
//! ring 3: the handler that acknowledged has ended on its CPU. And a CPU whose witness only ran
//! later has loaded CR3 since (I8). What is left is a page that somebody wrote to: the frame in
//! force is looked at before a read is called stale, and what it holds is said from then on.
//!
//! **What is not seen.** A stale translation that no witness reads through while the page is
//! settled; a page that is changed all the time.

mod board;

use crate::space::Space;
use crate::{console, points, programs, violations};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use board::Board;
use core::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use evidence::Kind;
use hw::programs::Error;
use hw::sync::Lock;
use hw::{clock, percpu};
use programs::{NotLaunched, Watch, Witnesses};
use shootdown::{Acknowledged, CpuSet, SpaceId};

pub use board::{Find, PageView, Status};

/// Whether there is a board.
static ON: AtomicBool = AtomicBool::new(false);
static BOARD: Lock<Option<Board>> = Lock::new(None);

/// What was found and is not noted yet; at most [`MOST_UNTOLD`] finds.
static UNTOLD: Lock<Vec<Find>> = Lock::new(Vec::new());
const MOST_UNTOLD: usize = 256;

/// After how many rounds a witness lets other threads of its CPU run.
const TURN: u64 = 32;
/// How long witnesses have for a round, in microseconds.
const ROUND_US: u64 = 10_000_000;

/// Why no witness was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotStarted {
    /// There are some already, in this space.
    Running(SpaceId),
    /// A program could not be started.
    Launch(NotLaunched),
}

/// Starts witnesses on `cpus`, of `pages` pages of `space` from `first` on. What is mapped there may
/// change at any time.
///
/// # Errors
/// [`NotStarted`].
///
/// # Panics
/// If there are more pages than [`Watch::MAX_PAGES`], or none.
pub fn start(space: &Arc<Space>, first: u64, pages: usize, cpus: CpuSet) -> Result<(), NotStarted> {
    if let Some(board) = &*BOARD.lock() {
        return Err(NotStarted::Running(board.space().id()));
    }
    let watch = Watch {
        first,
        pages,
        stride: 1,
        turn: TURN,
    };
    let witnesses = Witnesses::launch(space, cpus, watch).map_err(NotStarted::Launch)?;
    *BOARD.lock() = Some(Board::new(space.clone(), witnesses));
    ON.store(true, SeqCst);
    settle_what_is_quiet();
    Ok(())
}

/// Says what the pages hold that nothing can be stale of: those of which every CPU has dropped what
/// it may have held of before.
fn settle_what_is_quiet() {
    if let Some(board) = &mut *BOARD.lock() {
        board.settle_quiet();
    }
}

/// Stops the witnesses, after a last look. Returns what was seen; `None` if there are none.
pub fn stop() -> Option<Status> {
    let status = status()?;
    ON.store(false, SeqCst);
    let board = BOARD.lock().take()?;
    board.stop();
    Some(status)
}

/// Waits until every witness has read every page once more, for ten seconds at most, and returns
/// what was seen; `None` if there are no witnesses. CPUs that stand still are not waited for.
pub fn status() -> Option<Status> {
    let mark = BOARD.lock().as_ref()?.mark();
    let deadline = clock::Deadline::after_us(ROUND_US);
    loop {
        let status = BOARD.lock().as_ref()?.status(&mark);
        if status.silent.is_empty() || deadline.expired() || console::interrupted() {
            return Some(status);
        }
        crate::thread::yield_now();
        core::hint::spin_loop();
    }
}

/// The space that is watched.
pub fn watched() -> Option<SpaceId> {
    BOARD.lock().as_ref().map(|board| board.space().id())
}

/// A change of page-table entries, from before the first is stored until after the last is.
///
/// Dropping it says that they were changed, and that TLBs may not know.
#[must_use = "the change is over when this is dropped"]
pub struct Changing(Option<Change>);

#[derive(Clone, Copy)]
struct Change {
    space: SpaceId,
    page: u64,
    pages: u64,
}

/// Begins a change of `pages` pages of `space` from `page` on.
#[inline(always)]
pub fn changing(space: SpaceId, page: u64, pages: u64) -> Changing {
    if !ON.load(Relaxed) {
        return Changing(None);
    }
    begin(Change { space, page, pages })
}

#[cold]
fn begin(change: Change) -> Changing {
    let mut board = BOARD.lock();
    let begun = board
        .as_mut()
        .is_some_and(|board| board.begin(change.space, change.page, change.pages));
    Changing(begun.then_some(change))
}

impl Changing {
    /// Ends a change that no TLB needs to be told of: it only put in what was absent, or nothing.
    #[inline(always)]
    pub fn took_nothing_away(mut self) {
        if let Some(change) = self.0.take() {
            end(change, true);
        }
    }
}

impl Drop for Changing {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(change) = self.0.take() {
            end(change, false);
        }
    }
}

#[cold]
fn end(change: Change, as_before: bool) {
    if let Some(board) = &mut *BOARD.lock() {
        board.end(change.space, change.page, change.pages, as_before);
    }
}

/// A shootdown that is about to begin.
#[must_use = "the board is told when the shootdown has returned"]
pub struct Shooting(Option<u64>);

/// Takes note, before a shootdown begins, of what it will cover.
#[inline(always)]
pub fn shooting() -> Shooting {
    if !ON.load(Relaxed) {
        return Shooting(None);
    }
    Shooting(stamp())
}

#[cold]
fn stamp() -> Option<u64> {
    BOARD.lock().as_ref().map(Board::stamp)
}

impl Shooting {
    /// The shootdown has returned with `proof`.
    #[inline(always)]
    pub fn returned(self, proof: &Acknowledged) {
        if let Some(stamp) = self.0 {
            returned(stamp, proof);
        }
    }
}

#[cold]
fn returned(stamp: u64, proof: &Acknowledged) {
    if let Some(board) = &mut *BOARD.lock() {
        board.returned(stamp, proof);
    }
}

/// Notes what was found since the last call, and returns it in a line, if it was anything.
///
/// Between commands, so that the run is judged by it, and not the command that happened to be
/// carried out when a witness looked.
pub fn untold() -> Option<String> {
    let found = core::mem::take(&mut *UNTOLD.lock());
    for find in &found {
        violations::note(find.violation());
    }
    let first = found.first()?;
    Some(match found.len() {
        1 => format!("{first}: `witness` tells"),
        all => format!("{first}, and {} more: `witness` tells", all - 1),
    })
}

/// A witness on this CPU tells that the page numbered `page` showed `seen` where `expected` was
/// said to be. Returns 1 if that is a violation.
///
/// # Errors
/// [`Error::NoWitness`] if nobody watches, or not that.
pub fn reported(page: u64, expected: u64, seen: u64) -> Result<u64, Error> {
    let cpu = percpu::cpu();
    let (space, find) = {
        let mut board = BOARD.lock();
        let board = board.as_mut().ok_or(Error::NoWitness)?;
        if crate::thread::space().is_none_or(|space| space.id() != board.space().id()) {
            return Err(Error::NoWitness);
        }
        let find = board.judge(
            cpu,
            usize::try_from(page).unwrap_or(usize::MAX),
            expected,
            seen,
        );
        (board.space().id(), find.ok_or(Error::NoWitness)?)
    };
    let Some(find) = find else { return Ok(0) };
    points::note(
        Kind::Stale,
        points::page_operand(find.address, u64::from(space.0)),
        seen << 32 | expected & 0xffff_ffff,
    );
    {
        let mut untold = UNTOLD.lock();
        if untold.len() < MOST_UNTOLD {
            untold.push(find);
        }
    }
    console::nudge();
    Ok(1)
}
