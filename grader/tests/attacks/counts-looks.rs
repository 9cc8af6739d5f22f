// lab: 4
// tries: wait for a hundred looks: longer than the explorer looks
// stopped by: explorer
// says: nothing can happen any more
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
        let mut looks = 0;
        m.spin_until(|| {
            looks += 1;
            looks > 100
        })?;
        let asked = Snapshot::take(m, &request, targets);
        Ok(asked.finish_locally(m, request))
    }
}
