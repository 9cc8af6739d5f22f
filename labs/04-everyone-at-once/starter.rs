//! Lab 4: the initiator. It asks only itself so far.
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
        // Pins the thread, and settles once who is asked: `asked.remote`, and `asked.me`.
        let asked = Snapshot::take(m, &request, targets);
        // TODO: write the request, zero a slot for each target, send, and wait. `board.request(..)` and
        // `board.slot(..)` are the words.
        let _ = board;
        Ok(asked.finish_locally(m, request))
    }
}
