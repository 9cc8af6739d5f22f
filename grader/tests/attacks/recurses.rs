// lab: 4
// tries: overflow the stack
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
        let asked = Snapshot::take(m, &request, targets);
        let depth = deeper(u64::from(asked.remote.is_empty()));
        assert!(depth < u64::MAX);
        Ok(asked.finish_locally(m, request))
    }
}

fn deeper(depth: u64) -> u64 {
    match depth.checked_add(1) {
        Some(next) => deeper(next).wrapping_add(depth),
        None => 0,
    }
}
