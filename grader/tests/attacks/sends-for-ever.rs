// lab: 4
// tries: fill the disk with the log of interrupts: send without end
// stopped by: machine
// says: the evidence of it is larger than
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
        loop {
            m.send(Destination::AllButSelf);
        }
    }
}
