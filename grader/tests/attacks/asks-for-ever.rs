// lab: 4
// tries: ask the explorer without end
// stopped by: explorer
// says: goes on for ever
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
        let _ = (request, targets);
        let mut seen = 0;
        loop {
            seen += board.note(m.me()).load(Relaxed) + u64::from(m.interrupts_enabled());
            m.fence(SeqCst);
        }
    }
}
