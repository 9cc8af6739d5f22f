//! Breakpoints: CPUs that are parked at a point of a shootdown until somebody lets them go on.
//!
//! A parked CPU stands where it is, in a handler or not, with interrupts as they are there. It runs
//! no other thread, since that would change what is looked at (between acknowledging and
//! invalidating it would break I5); but it lends itself to the shell's thread
//! ([`thread::lend`]), so that somebody can type `continue` whichever CPUs are
//! parked, and does what [`ask`] asks of it.
//!
//! A CPU may be parked again in an interrupt that it takes while parked: then it stands at the inner
//! point first, and at the outer one again when the handler has ended.

mod about;
mod breaks;
mod stand;

use crate::machine::Kernel;
use crate::points::Operation;
use crate::thread;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use hw::interrupts::{self, Off};
use hw::{percpu, sync};
use shootdown::{Machine, Point};

pub use about::Parked;
pub use breaks::{Break, MAX_BREAKS, TooMany, all as breaks, clear, set, stops_behind};
pub use stand::{
    arrivals, ask, cancel_step, describe, engaged, is_stepping, parked, proceed, running_clock,
    step, tell, tend, untold, where_is,
};

/// How often a CPU was not parked because the shell's thread would have lain under it.
static MISSED: AtomicU32 = AtomicU32::new(0);

/// The points at which a CPU may be parked, a bit (`1 << point`) each.
pub fn armed() -> u32 {
    if stand::any_stepping() {
        Point::ALL
            .iter()
            .fold(0, |bits, &point| bits | 1 << point as u32)
    } else {
        breaks::points()
    }
}

/// How often a CPU was not parked where it should have been, since it was the shell's own thread
/// that had come there.
pub fn missed() -> u32 {
    MISSED.load(Relaxed)
}

/// This CPU has reached a point at which some CPU is to be parked: parks it if it is this one.
pub fn reached(point: Point, operation: &Operation<'_>) {
    let interrupts_on = interrupts::are_enabled();
    let off = Off::new();
    let parked = Parked::new(percpu::cpu(), point, operation);
    if !stand::take_step(parked.cpu) & !breaks::hit(&parked) {
        return;
    }
    park(parked, interrupts_on, off);
}

/// This CPU has made the store at `point`: parks it if a break is set behind it.
pub fn stored(point: Point, operation: &Operation<'_>) {
    let interrupts_on = interrupts::are_enabled();
    let off = Off::new();
    let mut parked = Parked::new(percpu::cpu(), point, operation);
    parked.stored = true;
    if breaks::hit(&parked) {
        park(parked, interrupts_on, off);
    }
}

fn park(parked: Parked, interrupts_on: bool, off: Off) {
    if thread::is_shell() || Kernel.alone() {
        MISSED.fetch_add(1, Relaxed);
        return;
    }
    percpu::enter_critical();
    stand::stand(parked, interrupts_on);
    drop(off);
    sync::leave_critical();
}
