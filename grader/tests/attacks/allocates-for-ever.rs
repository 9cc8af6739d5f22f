// lab: 4
// tries: use up the host's memory
// stopped by: explorer
// says: a word is made while a protocol is built
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
        let _ = (board, request, targets);
        loop {
            let word: M::Word<u64, Active> = m.word(0);
            assert!(word.peek(Relaxed) == 0);
        }
    }
}
