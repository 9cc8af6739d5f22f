// lab: 10
// tries: never come back when slots are laid out
// stopped by: explorer
// says: CPU time
#![no_std]
#![forbid(unsafe_code)]

use lab::ten::*;

// reference as Right

pub struct Student;

impl Fast for Student {
    fn place(_: usize, _: CpuId, _: CpuId) -> usize {
        loop {}
    }

    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        Right::shoot(m, board, request, targets)
    }

    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32 {
        Right::handle(m, board)
    }
}
