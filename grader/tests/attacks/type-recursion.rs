// lab: 4
// tries: types that contain each other without end
// stopped by: compiler
// says: recursion limit
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
        deeper(0u8, m);
        let asked = Snapshot::take(m, &request, targets);
        let _ = board;
        Ok(asked.finish_locally(m, request))
    }
}

fn deeper<T: Copy, M: Machine>(value: T, m: &M) {
    if m.interrupts_enabled() {
        deeper((value, value), m);
    }
}
