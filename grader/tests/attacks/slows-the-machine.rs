// lab: 4
// tries: slow the emulator down: wait without end, each time as long as no watchdog minds
// stopped by: machine
// says: too slow: QEMU used 8 CPU s of 8
// seconds: 8
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
        loop {
            let mut turns = 0;
            m.spin_until(|| {
                turns += 1;
                turns > 9000
            })?;
        }
    }
}
