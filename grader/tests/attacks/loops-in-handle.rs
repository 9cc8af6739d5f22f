// lab: 5
// tries: never come back from the interrupt
// stopped by: explorer
// says: CPU time
#![no_std]
#![forbid(unsafe_code)]

use lab::five::*;

pub struct Student;

impl Handler for Student {
    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32 {
        let _ = (m, board);
        loop {}
    }
}
