//! Wrong: takes no lock.
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
        // Pins the thread, and settles once who is asked.
        let asked = Snapshot::take(m, &request, targets);
        if asked.remote.is_empty() {
            return Ok(asked.finish_locally(m, request));
        }
        m.disable_interrupts();
        let generation = shared.publish(&request, &asked);
        m.send(Destination::Each(asked.remote));
        asked.invalidate_locally(m, &request);
        let mut waited = Ok(());
        for target in asked.remote {
            let done = shared.done(target);
            waited = waited.and_then(|()| m.spin_until(|| done.peek(Acquire) == generation));
        }
        m.enable_interrupts();
        m.unpin();
        waited.map(|()| asked.acknowledged(request, Some(generation)))
    }
}
