// lab: 4
// tries: give the frames back without asking anybody
// stopped by: explorer
// says: can use the old translation
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

pub struct Student;

impl Initiator for Student {
    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        let _ = board;
        let asked = Snapshot::take(m, &request, targets);
        asked.invalidate_locally(m, &request);
        m.unpin();
        Ok(asked.acknowledged(request, Some(1)))
    }
}
