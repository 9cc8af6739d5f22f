// lab: 10
// tries: panic where slots are laid out
// stopped by: explorer
// says: panic
#![no_std]
#![forbid(unsafe_code)]

use lab::ten::*;

pub struct Student;

impl Fast for Student {
    fn place(_: usize, _: CpuId, _: CpuId) -> usize {
        panic!("tlb> \nkit: passed")
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
