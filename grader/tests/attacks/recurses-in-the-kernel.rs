// lab: 4
// tries: overflow a stack of the kernel by a recursion that is not explored
// stopped by: machine
// says: a stack ran into its guard page
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

// reference as Right

pub struct Student;

impl Initiator for Student {
    fn shoot<M: Machine>(
        m: &M,
        board: &Board<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        if board.cpus() < 4 {
            return Right::shoot(m, board, request, targets);
        }
        let depth = deeper(m, board, 1);
        assert!(depth > 0);
        Right::shoot(m, board, request, targets)
    }
}

fn deeper<M: Machine>(m: &M, board: &Board<M>, depth: u64) -> u64 {
    let note = board.note(m.me());
    note.store(depth, Relaxed);
    if note.load(Relaxed) == u64::MAX {
        return 1;
    }
    let below = deeper(m, board, depth + 1);
    below.wrapping_mul(3) ^ note.load(Relaxed)
}
