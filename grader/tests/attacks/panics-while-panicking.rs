// lab: 4
// tries: end the explorer: a second panic is no panic any more
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
        let _ = (m, board, request, targets);
        let _bomb = Bomb;
        panic!("the first")
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the second")
    }
}
