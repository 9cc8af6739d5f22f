// lab: 6
// tries: ask nobody, so that nobody can be late
// stopped by: explorer
// says: can use the old translation
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
        load(Activation::PLAIN);
    }

    fn announce<M: Machine>(_: &M, _: Spaces<'_, M>, _: SpaceId) -> CpuSet {
        CpuSet::EMPTY
    }
}
