// lab: 4
// tries: wait with interrupts off for another that does the same
// stopped by: explorer
// says: nothing can happen any more
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
        let enabled = m.interrupts_enabled();
        m.disable_interrupts();
        let result = Right::shoot(m, board, request, targets);
        if enabled {
            m.enable_interrupts();
        }
        result
    }
}
