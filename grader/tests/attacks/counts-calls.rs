// lab: 4
// tries: be right for the first twenty shootdowns, and count them in its own note
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
        let count = board.note(m.me());
        count.store(count.load(Relaxed) + 1, Relaxed);
        if count.load(Relaxed) <= 20 {
            return Right::shoot(m, board, request, targets);
        }
        let asked = Snapshot::take(m, &request, targets);
        asked.invalidate_locally(m, &request);
        m.unpin();
        Ok(asked.acknowledged(request, Some(1)))
    }
}
