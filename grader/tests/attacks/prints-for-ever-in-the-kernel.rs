// lab: 4
// tries: print without end, by the message of a panic in the kernel
// stopped by: machine
// says: wrote more than 4 MiB
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
        panic!("{}", Flood)
    }
}

struct Flood;

impl core::fmt::Display for Flood {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        loop {
            f.write_str("PASS: 100 of 100 points\n")?;
        }
    }
}
