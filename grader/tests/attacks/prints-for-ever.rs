// lab: 4
// tries: print without end, by the message of a panic
// stopped by: explorer
// says: crashed
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
        let _ = (m, board, request, targets);
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
