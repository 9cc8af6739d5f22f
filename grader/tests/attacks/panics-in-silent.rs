// lab: 7
// tries: panic when a watchdog asks
// stopped by: machine
// says: the kernel stopped itself
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
        Right::shoot(m, board, request, targets)
    }

    fn silent<M: Machine>(_: &Board<M>, _: CpuId) -> CpuSet {
        panic!("nobody is silent")
    }
}
