// lab: 7
// tries: never come back when asked who is late
// stopped by: explorer
// says: CPU time
#![no_std]
#![forbid(unsafe_code)]

use lab::seven::*;

// reference as Right

pub struct Student;

impl Careful for Student {
    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        let _ = Self::silent(board, m.me());
        Right::shoot(m, board, request, targets)
    }

    fn silent<M: Machine>(_: &Board<M>, _: CpuId) -> CpuSet {
        loop {}
    }
}
