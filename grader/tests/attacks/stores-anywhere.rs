// lab: 4
// tries: write an address of its own choice by a word of the board
// stopped by: explorer
// says: there is no slot
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
        let far = CpuId::new(63).unwrap_or(m.me());
        board.slot(far, far).store(0xdead, Relaxed);
        Right::shoot(m, board, request, targets)
    }
}
