//! [`grader::gdb::peer`], for tests: what goes wrong fails the test.

use std::path::Path;

use grader::gdb::peer;
pub use peer::packet;

use crate::common::KIT;

/// `kit run --gdb`, with a shell on pipes.
pub struct Machine(peer::Machine);

impl Machine {
    /// Boots to the prompt. `stub` answers the debugger.
    pub fn boot(stub: &str) -> Machine {
        Machine(peer::Machine::boot(Path::new(KIT), stub).unwrap())
    }

    /// Types a line at the shell.
    pub fn type_line(&mut self, line: &str) {
        self.0.type_line(line).unwrap();
    }

    /// The machine goes on: its shell answers.
    #[track_caller]
    pub fn goes_on(&mut self, word: &str) {
        self.type_line(&format!("echo {word}"));
        // Once as it is typed, once as it is carried out.
        self.0.until(word).unwrap();
    }

    /// Waits for the end of the machine; the status of `kit`.
    pub fn status(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    /// Connects to the debugger's port.
    pub fn connect(&self) -> Peer {
        Peer(self.0.connect().unwrap())
    }
}

/// One end of the remote protocol.
pub struct Peer(peer::Peer);

impl Peer {
    /// Says hello as gdb does.
    #[track_caller]
    pub fn greet(&mut self) {
        self.0.greet().unwrap();
    }

    /// Sends what need not be a packet.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        std::io::Write::write_all(&mut self.0.stream, bytes).unwrap();
    }

    /// Sends a packet and returns the body of the next one that comes back.
    #[track_caller]
    pub fn ask(&mut self, body: &str) -> String {
        self.0.ask(body).unwrap()
    }

    /// The body of the next packet.
    #[track_caller]
    pub fn answer(&mut self) -> String {
        self.0.answer().unwrap()
    }
}
