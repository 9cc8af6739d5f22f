//! Lab 5, *Answer*: the handler of the scoreboard protocol.

pub use crate::*;

/// Whether each pair of CPUs has a slot of its own.
pub const PAIRS: bool = true;
/// Whether a target acknowledges before it invalidates.
pub const EARLY: bool = true;

/// What a solution of lab 5 is: the type `Student` implements it.
pub trait Handler: 'static {
    /// Serves every request that is pending for this CPU, and returns how many it served. Called in the handler
    /// of the shootdown interrupt, with interrupts off; the thread that it interrupted runs on when it returns.
    ///
    /// The local APIC keeps one interrupt pending, so one call may stand for several requests, and a call may
    /// find none.
    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32;
}

whole!(Handler, Board, shoot: |m: &M, board: &Board<M>, request, targets| board.reference.shoot(m, request, targets), handle: S::handle);
