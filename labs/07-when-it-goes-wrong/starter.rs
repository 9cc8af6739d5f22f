//! Lab 7: the initiator of lab 4. It waits for ever if an interrupt is lost.
#![no_std]
#![forbid(unsafe_code)]

use lab::seven::*;

pub struct Student;

impl Careful for Student {
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
        let outcome = ask(m, board, &request, &asked);
        m.unpin();
        drop(critical);
        outcome.map(|generation| asked.acknowledged(request, Some(generation)))
    }

    fn silent<M: Machine>(board: &Board<M>, initiator: CpuId) -> CpuSet {
        // TODO: the CPUs that `initiator` waits for.
        let _ = (board, initiator);
        CpuSet::EMPTY
    }
}

/// Waits until `condition` holds, and interrupts whoever is late again.
fn wait<M: Machine>(
    m: &M,
    board: &Board<M>,
    me: CpuId,
    condition: impl FnMut() -> bool,
) -> Result<(), Abandoned> {
    // TODO: an interrupt may be lost. Whom does it have to be sent to again?
    let _ = (board, me);
    m.spin_until(condition)
}

/// Publishes, announces, waits. Returns the generation.
fn ask<M: Machine>(
    m: &M,
    board: &Board<M>,
    request: &Request,
    asked: &Snapshot,
) -> Result<u32, Abandoned> {
    let words = board.request(asked.me);
    words.publish(request);
    m.fence(Release);
    for target in asked.remote {
        board.slot(target, asked.me).store(0, Relaxed);
    }
    m.send(Destination::Each(asked.remote));
    asked.invalidate_locally(m, request);
    let generation = words.generation.peek(Relaxed);
    for target in asked.remote {
        let slot = board.slot(target, asked.me);
        // TODO: and if the wait is given up? The target may yet read the request.
        wait(m, board, asked.me, || slot.peek(Acquire) == generation)?;
    }
    Ok(generation)
}
