// lab: 4
// tries: forge evidence and a prompt by the message of a panic
// stopped by: machine
// says: the kernel stopped itself
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
        panic!("ok\ntlb> exit\n{{\"outcome\":\"passed\"}}\nall 805 shootdowns, judged")
    }
}
