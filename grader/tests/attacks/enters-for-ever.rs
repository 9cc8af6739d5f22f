// lab: 4
// tries: keep the CPU: enter a critical section and never leave it
// stopped by: explorer
// says: still in a critical section afterwards
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
        m.enter_critical();
        Right::shoot(m, board, request, targets)
    }
}
