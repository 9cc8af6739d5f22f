// lab: 6
// tries: never come back when a CPU enters a space
// stopped by: explorer
// says: CPU time
#![no_std]
#![forbid(unsafe_code)]

use lab::six::*;

pub struct Student;

impl Members for Student {
    fn activate<M: Machine>(
        m: &M,
        spaces: Spaces<'_, M>,
        from: SpaceId,
        to: SpaceId,
        load: impl FnOnce(Activation),
    ) {
        let _ = (m, spaces, from, to);
        drop(load);
        loop {}
    }

    fn announce<M: Machine>(_: &M, _: Spaces<'_, M>, _: SpaceId) -> CpuSet {
        CpuSet::EMPTY
    }
}
