// lab: 4
// tries: write the targets' acknowledgements itself
// stopped by: explorer
// says: can use the old translation
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
        let asked = Snapshot::take(m, &request, targets);
        if asked.remote.is_empty() {
            return Ok(asked.finish_locally(m, request));
        }
        let critical = Critical::enter(m);
        let words = board.request(asked.me);
        words.publish(&request);
        m.fence(Release);
        for target in asked.remote {
            board.slot(target, asked.me).store(0, Relaxed);
        }
        m.send(Destination::Each(asked.remote));
        asked.invalidate_locally(m, &request);
        let generation = words.generation.peek(Relaxed);
        let mut waited = Ok(());
        for target in asked.remote {
            let slot = board.slot(target, asked.me);
            slot.store(generation, Release);
            waited = waited.and_then(|()| m.spin_until(|| slot.peek(Acquire) == generation));
        }
        m.unpin();
        drop(critical);
        waited.map(|()| asked.acknowledged(request, Some(generation)))
    }
}
