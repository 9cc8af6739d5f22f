//! Wrong: interrupts everybody, asked or not.
#![no_std]
#![forbid(unsafe_code)]

use lab::ten::*;

pub struct Student;

/// Slots from one row to the next: enough for 64 CPUs, and whole lines.
const ROW: usize = 4 * SLOTS_PER_LINE;

/// The most pages that are invalidated one by one.
const MOST: u64 = 9;

impl Fast for Student {
    fn place(_: usize, target: CpuId, initiator: CpuId) -> usize {
        // A target scans its row: a row is on lines that no other target reads.
        target.index() * ROW + initiator.index()
    }

    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        let request = widened(request);
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
        // One write of the command register, if it is for everybody.
        m.send(Destination::AllButSelf);
        // While the others work.
        asked.invalidate_locally(m, &request);
        let generation = words.generation.peek(Relaxed);
        let mut waited = Ok(());
        for target in asked.remote {
            let slot = slot_of(board, target, asked.me);
            if slot.peek(Acquire) != generation {
                waited = waited.and_then(|()| m.spin_until(move || slot.peek(Acquire) == generation));
            }
        }
        m.unpin();
        drop(critical);
        waited.map(|()| asked.acknowledged(request, Some(generation)))
    }

    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32 {
        let me = m.me();
        let pending = || {
            let others = (0..board.cpus()).filter_map(CpuId::new).filter(|&other| other != me);
            let mut slots = others.map(|initiator| (initiator, slot_of(board, me, initiator)));
            slots.find(|(_, slot)| slot.peek(Relaxed) == 0)
        };
        let mut served = 0;
        while let Some((initiator, slot)) = m.scan(pending) {
            m.fence(Acquire);
            let (request, generation) = board.request(initiator).copy();
            // Before the work: the initiator goes on meanwhile.
            slot.store(generation, Release);
            m.invalidate(&request);
            // Nobody here uses the space: the next shootdown need not ask.
            m.leave_if_lazy();
            served += 1;
        }
        served
    }

    fn gather(first: &Request, second: &Request) -> Option<Request> {
        if first.includes(second) {
            return Some(*first);
        }
        let pages = |request: &Request| request.end().checked_sub(request.start());
        let apart = pages(first)? + pages(second)?;
        let (start, end) = (first.start().min(second.start()), first.end().max(second.end()));
        // Nothing lies between them that nobody changed.
        if end - start > apart {
            return None;
        }
        let both = Request::range(first.space_id(), start, end).ok()?;
        // Those of another space are not in it.
        both.includes(second).then(|| widened(both))
    }
}

/// The slot of `target` for `initiator`.
#[inline(always)]
fn slot_of<M: Machine>(board: &Board<M>, target: CpuId, initiator: CpuId) -> &M::Word<u32, Slot> {
    board.at(Student::place(board.cpus(), target, initiator))
}

/// A range, or the whole space, if so many pages cost more one by one than refilling the TLB afterwards.
fn widened(request: Request) -> Request {
    let pages = request.end().saturating_sub(request.start()) / PAGE_SIZE;
    if pages > MOST {
        return Request::space(request.space_id());
    }
    request
}
