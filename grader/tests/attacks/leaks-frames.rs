// lab: 4
// tries: use up the kernel's memory: give up every shootdown, so that no frame comes back
// stopped by: machine
// says: the old frames are lost
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

// reference as Right

pub struct Student;

impl Initiator for Student {
    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        if board.cpus() < 4 {
            return Right::shoot(m, board, request, targets);
        }
        Err(Abandoned)
    }
}
