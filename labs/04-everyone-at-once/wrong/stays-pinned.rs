//! Wrong: never unpins.
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
        // Pins the thread, and settles once who is asked.
        let asked = Snapshot::take(m, &request, targets);
        if asked.remote.is_empty() {
            return Ok(asked.finish_locally(m, request));
        }
        // No other thread of this CPU may write its request.
        let critical = Critical::enter(m);
        let words = board.request(asked.me);
        words.publish(&request);
        // The whole request before the first zero, which announces it.
        m.fence(Release);
        for target in asked.remote {
            board.slot(target, asked.me).store(0, Relaxed);
        }
        m.send(Destination::Each(asked.remote));
        // While the others work.
        asked.invalidate_locally(m, &request);
        let generation = words.generation.peek(Relaxed);
        let mut waited = Ok(());
        for target in asked.remote {
            let slot = board.slot(target, asked.me);
            // Acquire: the target's reading before this CPU's next writing.
            waited = waited.and_then(|()| m.spin_until(|| slot.peek(Acquire) == generation));
        }
        drop(critical);
        waited.map(|()| asked.acknowledged(request, Some(generation)))
    }
}
