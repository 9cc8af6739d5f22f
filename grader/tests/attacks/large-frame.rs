// lab: 4
// tries: overflow the stack by one array whose size no rule can see
// stopped by: explorer
// says: crashed
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
        let all = [m.interrupts_enabled(); size()];
        let last = all.iter().filter(|on| **on).count();
        assert!(last > 0);
        let asked = Snapshot::take(m, &request, targets);
        Ok(asked.finish_locally(m, request))
    }
}

const fn size() -> usize {
    256 << 20
}
