// lab: 5
// tries: never come back from the interrupt, where it is not explored
// stopped by: machine
// says: its handler is still at work
#![no_std]
#![forbid(unsafe_code)]

use lab::five::*;

// reference as Right

pub struct Student;

impl Handler for Student {
    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32 {
        if board.cpus() >= 4 {
            loop {}
        }
        Right::handle(m, board)
    }
}
