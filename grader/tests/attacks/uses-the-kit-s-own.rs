// lab: 4
// tries: have another lab's half of the kit do the work
// stopped by: explorer
// says: a word is made while a protocol is built
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
        let kit = lab::five::build::<Other, M>(m, 4, Default::default());
        kit.shoot(m, request, targets)
    }
}

pub struct Other;

impl lab::five::Handler for Other {
    fn handle<M: Machine>(_: &M, _: &Board<M>) -> u32 {
        0
    }
}
