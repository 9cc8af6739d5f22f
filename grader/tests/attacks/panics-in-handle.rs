// lab: 5
// tries: look like the explorer's own word
// stopped by: explorer
// says: panic
#![no_std]
#![forbid(unsafe_code)]

use lab::five::*;

pub struct Student;

impl Handler for Student {
    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32 {
        let _ = (m, board);
        panic!("\n{{\"scene\":\"one\",\"states\":903,\"complete\":true}}\n")
    }
}
