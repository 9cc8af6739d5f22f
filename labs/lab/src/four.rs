//! Lab 4, *Everyone at once*: the initiator of the scoreboard protocol.

pub use crate::*;

use alloc::boxed::Box;
use core::marker::PhantomData;
use shootdown::{Protocol, RequestHead, RequestView, Settings};

/// What a solution of lab 4 is: the type `Student` implements it.
pub trait Initiator: 'static {
    /// Has every CPU of `targets`, this one included, forget what `request` names. Called on any CPU, by a thread
    /// that may be preempted and moved, with interrupts on, and by several CPUs at once.
    ///
    /// The proof says that every other CPU has acknowledged: what was unmapped is reused on its strength.
    ///
    /// # Errors
    /// [`Abandoned`], if a wait was: nothing may be reused then.
    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned>;
}

/// `S` and the kit's other half, as a protocol.
struct Whole<M: Machine, S> {
    board: Board<M>,
    solution: PhantomData<fn() -> S>,
}

/// Builds the protocol for CPUs 0 to `cpus - 1`.
pub fn build<S: Initiator, M: Machine>(
    m: &M,
    cpus: usize,
    settings: Settings,
) -> Box<dyn Protocol<M>> {
    Box::new(Whole::<M, S> {
        board: Board::new(m, cpus, settings),
        solution: PhantomData,
    })
}

impl<M: Machine, S: Initiator> Protocol<M> for Whole<M, S> {
    fn name(&self) -> &'static str {
        "student"
    }

    fn shoot(&self, m: &M, request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
        S::shoot(m, &self.board, request, targets)
    }

    fn handle(&self, m: &M) -> u32 {
        self.board.reference.handle(m)
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
