// lab: 3
// tries: panic with the lock in hand
// stopped by: explorer
// says: panic
#![no_std]
#![forbid(unsafe_code)]

use lab::three::*;

pub struct Student;

impl OneAtATime for Student {
    fn shoot<M: Machine>(
        m: &M,
        shared: &Shared<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        let _ = (m, request, targets);
        shared.lock().store(1, Relaxed);
        panic!("33")
    }
}
