//! Lab 10: both halves. As it stands, right and slow.
#![no_std]
#![forbid(unsafe_code)]

use lab::ten::*;

pub struct Student;

impl Fast for Student {
    fn place(cpus: usize, target: CpuId, initiator: CpuId) -> usize {
        // TODO: who reads the line that this slot is on, and who writes it?
        target.index() * cpus + initiator.index()
    }

    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        // TODO: a hundred pages, one by one?
        let asked = Snapshot::take(m, &request, targets);
        if asked.remote.is_empty() {
            return Ok(asked.finish_locally(m, request));
        }
        let critical = Critical::enter(m);
        let words = board.request(asked.me);
        words.publish(&request);
        m.fence(Release);
        for target in asked.remote {
            slot_of(board, target, asked.me).store(0, Relaxed);
        }
        // TODO: a write of the command register for each.
        m.send(Destination::Each(asked.remote));
        // While the others work.
        asked.invalidate_locally(m, &request);
        let generation = words.generation.peek(Relaxed);
        let mut waited = Ok(());
        for target in asked.remote {
            let slot = slot_of(board, target, asked.me);
            if slot.peek(Acquire) != generation {
                waited = waited.and_then(|()| m.spin_until(|| slot.peek(Acquire) == generation));
            }
        }
        m.unpin();
        drop(critical);
        waited.map(|()| asked.acknowledged(request, Some(generation)))
    }

    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32 {
        let me = m.me();
        let pending = || {
            let initiators = (0..board.cpus()).filter_map(CpuId::new);
            initiators
                .filter(|&initiator| initiator != me)
                .find(|&initiator| slot_of(board, me, initiator).peek(Relaxed) == 0)
        };
        let mut served = 0;
        while let Some(initiator) = m.scan(pending) {
            m.fence(Acquire);
            let (request, generation) = board.request(initiator).copy();
            // Before the work: the initiator goes on meanwhile.
            slot_of(board, me, initiator).store(generation, Release);
            m.invalidate(&request);
            // TODO: and the next shootdown asks this CPU again, whether or not anybody here needs the space.
            served += 1;
        }
        served
    }

    fn gather(_: &Request, _: &Request) -> Option<Request> {
        // TODO: a shootdown for each, even of neighbours.
        None
    }
}

/// The slot of `target` for `initiator`.
#[inline(always)]
fn slot_of<M: Machine>(board: &Board<M>, target: CpuId, initiator: CpuId) -> &M::Word<u32, Slot> {
    board.at(Student::place(board.cpus(), target, initiator))
}
