//! Wrong: takes the lock without Acquire.
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
        let mine = asked.me.index() as u32 + 1;
        loop {
            // The holder keeps interrupts off: nothing may come between.
            m.disable_interrupts();
            if shared.lock().compare_exchange(0, mine, Relaxed).is_ok() {
                break;
            }
            // Its holder may be waiting for this CPU: answer while the lock is taken.
            m.enable_interrupts();
            m.spin_until(|| shared.lock().peek(Relaxed) == 0)?;
        }
        let generation = shared.publish(&request, &asked);
        m.send(Destination::Each(asked.remote));
        asked.invalidate_locally(m, &request);
        let mut waited = Ok(());
        for target in asked.remote {
            let done = shared.done(target);
            waited = waited.and_then(|()| m.spin_until(|| done.peek(Acquire) == generation));
        }
        // Release: this request before the next holder's.
        shared.lock().store(0, Release);
        m.enable_interrupts();
        m.unpin();
        waited.map(|()| asked.acknowledged(request, Some(generation)))
    }
}
