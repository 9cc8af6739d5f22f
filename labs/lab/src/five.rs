//! Lab 5, *Answer*: the handler of the scoreboard protocol.

pub use crate::*;

use alloc::boxed::Box;
use core::marker::PhantomData;
use shootdown::{Protocol, RequestHead, RequestView, Settings};

/// What a solution of lab 5 is: the type `Student` implements it.
pub trait Handler: 'static {
    /// Serves every request that is pending for this CPU, and returns how many it served. Called in the handler
    /// of the shootdown interrupt, with interrupts off; the thread that it interrupted runs on when it returns.
    ///
    /// The local APIC keeps one interrupt pending, so one call may stand for several requests, and a call may
    /// find none.
    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32;
}

/// `S` and the kit's other half, as a protocol.
struct Whole<M: Machine, S> {
    board: Board<M>,
    solution: PhantomData<fn() -> S>,
}

/// Builds the protocol for CPUs 0 to `cpus - 1`.
pub fn build<S: Handler, M: Machine>(
    m: &M,
    cpus: usize,
    settings: Settings,
) -> Box<dyn Protocol<M>> {
    Box::new(Whole::<M, S> {
        board: Board::new(m, cpus, settings),
        solution: PhantomData,
    })
}

impl<M: Machine, S: Handler> Protocol<M> for Whole<M, S> {
    fn name(&self) -> &'static str {
        "student"
    }

    fn shoot(&self, m: &M, request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
        self.board.reference.shoot(m, request, targets)
    }

    fn handle(&self, m: &M) -> u32 {
        S::handle(m, &self.board)
    }

    fn slot(&self, target: CpuId, initiator: CpuId) -> Option<&M::Word<u32, Slot>> {
        self.board.reference.slot(target, initiator)
    }

    fn head(&self, initiator: CpuId) -> Option<&M::Word<u64, RequestHead>> {
        self.board.reference.head(initiator)
    }

    fn request(&self, initiator: CpuId) -> Option<RequestView> {
        Protocol::request(&self.board.reference, initiator)
    }

    fn outstanding(&self, initiator: CpuId) -> CpuSet {
        self.board.reference.outstanding(initiator)
    }
}
