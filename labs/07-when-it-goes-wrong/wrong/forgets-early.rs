//! Wrong: forgets who was late before they have answered.
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
        let settled = settle(m, board, asked.me);
        let outcome = settled.and_then(|()| ask(m, board, &request, &asked));
        m.unpin();
        drop(critical);
        outcome.map(|generation| asked.acknowledged(request, Some(generation)))
    }

    fn silent<M: Machine>(board: &Board<M>, initiator: CpuId) -> CpuSet {
        let cpus = (0..board.cpus()).filter_map(CpuId::new);
        cpus.filter(|&target| target != initiator)
            .filter(|&target| board.slot(target, initiator).peek(Acquire) == 0)
            .collect()
    }
}

/// Waits until `condition` holds, and interrupts whoever is late again.
fn wait<M: Machine>(
    m: &M,
    board: &Board<M>,
    me: CpuId,
    condition: impl FnMut() -> bool,
) -> Result<(), Abandoned> {
    m.spin_resending(condition, || m.resend(Student::silent(board, me)))
}

/// Sees to it that nobody may yet read this CPU's last request.
fn settle<M: Machine>(m: &M, board: &Board<M>, me: CpuId) -> Result<(), Abandoned> {
    let late = CpuSet::from_bits(board.note(me).load(Relaxed));
    if late.is_empty() {
        return Ok(());
    }
    m.resend(late);
    board.note(me).store(0, Relaxed);
    for target in late {
        let slot = board.slot(target, me);
        wait(m, board, me, || slot.peek(Acquire) != 0)?;
    }
    Ok(())
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
        if let Err(abandoned) = wait(m, board, asked.me, || slot.peek(Acquire) == generation) {
            // Who is late may yet read the request: the next shootdown has to know.
            let late = Student::silent(board, asked.me);
            board.note(asked.me).store(late.bits(), Relaxed);
            return Err(abandoned);
        }
    }
    Ok(generation)
}
