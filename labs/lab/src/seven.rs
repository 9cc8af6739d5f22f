//! Lab 7, *When it goes wrong*: an initiator that outlives lost interrupts and abandoned waits.

pub use crate::*;

/// Whether each pair of CPUs has a slot of its own.
pub const PAIRS: bool = true;
/// Whether a target acknowledges before it invalidates.
pub const EARLY: bool = true;

/// What a solution of lab 7 is: the type `Student` implements it.
pub trait Careful: 'static {
    /// As in lab 4. Besides, interrupts may be lost or come again, and a wait may be given up: by a person, or by a
    /// watchdog that runs out of patience.
    ///
    /// # Errors
    /// [`Abandoned`], if a wait was. Then nothing may be reused, and the request stays as it is until every target
    /// has served it: the next shootdown of this CPU sees to that before it writes anything.
    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned>;

    /// The CPUs that have not served the last request of `initiator`: whom a watchdog names. Asked at any time, by
    /// any CPU.
    fn silent<M: Machine>(board: &Board<M>, initiator: CpuId) -> CpuSet;
}

whole!(Careful, Board, shoot: S::shoot, handle: |m: &M, board: &Board<M>| board.reference.handle(m),
outstanding: |board: &Board<M>, cpu: CpuId| if cpu.index() < board.cpus() {
    S::silent(board, cpu)
} else {
    CpuSet::EMPTY
});
