// lab: 4
// tries: wait only where the explorer can see it
// stopped by: machine
// says: ticks later
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
        let asked = Snapshot::take(m, &request, targets);
        asked.invalidate_locally(m, &request);
        m.unpin();
        Ok(asked.acknowledged(request, Some(1)))
    }
}
