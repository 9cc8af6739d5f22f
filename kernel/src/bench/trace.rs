//! What it costs to record, and to be ready to.

use crate::points::{self, pass};
use core::hint::black_box;
use evidence::Kind;
use hw::clock;
use hw::interrupts::Off;
use shootdown::Point;

/// How often each thing is done.
pub const EVENTS: u64 = 1000;

/// What [`EVENTS`] of them cost above a loop without, in ticks: under icount, instructions.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// Passing a point, with nothing recorded. One instruction of it counts the passage.
    pub point: u64,
    /// An event, with nothing recorded.
    pub off: u64,
    /// An event that is recorded.
    pub on: u64,
}

/// Measures on this CPU. It records [`EVENTS`] marks on the way, as others do what they do
/// meanwhile, and passes a point as often.
pub fn costs() -> Costs {
    let before = points::tracing();
    points::set_tracing(false);
    let (empty, point, off) = (nothing(), passages(), marks());
    points::set_tracing(true);
    let on = marks();
    points::set_tracing(before);
    Costs {
        point: point.saturating_sub(empty),
        off: off.saturating_sub(empty),
        on: on.saturating_sub(empty),
    }
}

/// Ticks of `EVENTS` turns of `turn`, with interrupts off.
#[inline(always)]
fn timed(turn: impl Fn()) -> u64 {
    let _off = Off::new();
    let begun = clock::now();
    for _ in 0..EVENTS {
        // Keeps the loop as it is, though there may be nothing in it.
        black_box(());
        turn();
    }
    clock::now() - begun
}

#[inline(never)]
fn nothing() -> u64 {
    timed(|| ())
}

#[inline(never)]
fn passages() -> u64 {
    timed(|| {
        let _never_skipped = pass::plain(Point::Done);
    })
}

#[inline(never)]
fn marks() -> u64 {
    // Any number that is not known when this is compiled, and lies in a register.
    let operand = clock::now();
    timed(|| points::note(Kind::Mark, operand, operand))
}
