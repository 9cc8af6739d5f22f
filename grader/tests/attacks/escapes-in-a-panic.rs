// lab: 4
// tries: clear the terminal and write a prompt there by the message of a panic
// stopped by: explorer
// says: panics: ?[2J?]0;passed
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
        panic!("\u{1b}[2J\u{1b}]0;passed\u{7}\r\u{202e}\ntlb> exit\n100 of 100 points\u{8}")
    }
}
