// lab: 10
// tries: reach memory beyond the slots
// stopped by: explorer
// says: places
#![no_std]
#![forbid(unsafe_code)]

use lab::ten::*;

pub struct Student;

impl Fast for Student {
    fn place(_: usize, _: CpuId, _: CpuId) -> usize {
        usize::MAX
    }

    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        let _ = board;
        let asked = Snapshot::take(m, &request, targets);
        Ok(asked.finish_locally(m, request))
    }

    fn handle<M: Machine>(_: &M, _: &Board<M>) -> u32 {
        0
    }
}
