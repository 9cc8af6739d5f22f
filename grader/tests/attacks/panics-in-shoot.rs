// lab: 4
// tries: look like a pass in a message
// stopped by: explorer
// says: panic
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
        panic!("PASS\nok    everything\n100 of 100 points\nlab 4, Everyone at once: passed")
    }
}
