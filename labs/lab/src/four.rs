//! Lab 4, *Everyone at once*: the initiator of the scoreboard protocol.

pub use crate::*;

/// Whether each pair of CPUs has a slot of its own.
pub const PAIRS: bool = true;
/// Whether a target acknowledges before it invalidates.
pub const EARLY: bool = true;

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

whole!(Initiator, Board, shoot: S::shoot, handle: |m: &M, board: &Board<M>| board.reference.handle(m));
