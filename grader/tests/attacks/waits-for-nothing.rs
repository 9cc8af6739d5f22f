// lab: 4
// tries: wait for what never comes
// stopped by: explorer
// says: nothing can happen any more
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
        m.spin_until(|| false)?;
        Ok(asked.finish_locally(m, request))
    }
}
