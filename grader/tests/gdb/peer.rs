//! A machine with its shell and its debugger's socket, and a peer that speaks the remote protocol itself.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::common::KIT;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// `kit run --gdb`, with a shell on pipes.
pub struct Machine {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    socket: PathBuf,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Machine {
    /// Boots to the prompt. `stub` answers the debugger.
    pub fn boot(stub: &str) -> Machine {
        let mut child = Command::new(KIT)
            .args(["run", "--gdb", stub])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines
            .find_map(|line| line.ok().filter(|line| line.contains("target remote ")))
            .expect("the line to attach by");
        let socket = line.split("target remote ").nth(1).unwrap();
        let socket = socket.split('\'').next().unwrap().into();
        std::thread::spawn(move || lines.for_each(drop));
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut machine = Machine {
            child,
            input,
            output,
            socket,
        };
        machine.until("boot: ready");
        machine
    }

    /// Types a line at the shell.
    pub fn type_line(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The shell's output up to and with a line that contains `words`.
    #[track_caller]
    pub fn until(&mut self, words: &str) -> String {
        let mut text = String::new();
        loop {
            let before = text.len();
            assert!(
                self.output.read_line(&mut text).unwrap() > 0,
                "the machine ended without `{words}`:\n{text}"
            );
            if text[before..].contains(words) {
                return text;
            }
        }
    }

    /// The machine goes on: its shell answers.
    #[track_caller]
    pub fn goes_on(&mut self, word: &str) {
        self.type_line(&format!("echo {word}"));
        // Once as it is typed, once as it is carried out.
        self.until(word);
    }

    /// Waits for the end of the machine; the status of `kit`.
    pub fn status(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Connects to the debugger's port.
    pub fn connect(&self) -> Peer {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Peer {
            stream,
            buffer: vec![],
            acknowledges: true,
        }
    }
}

/// One end of the remote protocol.
pub struct Peer {
    pub stream: UnixStream,
    buffer: Vec<u8>,
    /// Every packet is acknowledged.
    acknowledges: bool,
}

/// `body` as a packet.
pub fn packet(body: &str) -> Vec<u8> {
    let sum = body.bytes().fold(0_u8, u8::wrapping_add);
    format!("${body}#{sum:02x}").into_bytes()
}

impl Peer {
    /// Says hello as gdb does, and that nothing needs acknowledging where the stub agrees.
    #[track_caller]
    pub fn greet(&mut self) {
        let offer = self.ask("qSupported:multiprocess+");
        assert!(offer.contains("PacketSize"), "{offer}");
        // QEMU's stub knows nothing of this.
        let agreed = self.ask("QStartNoAckMode") == "OK";
        self.acknowledges = !agreed;
    }

    /// Sends a packet and returns the body of the next one that comes back.
    #[track_caller]
    pub fn ask(&mut self, body: &str) -> String {
        self.stream.write_all(&packet(body)).unwrap();
        self.answer()
    }

    /// The body of the next packet.
    #[track_caller]
    pub fn answer(&mut self) -> String {
        loop {
            if let Some(body) = self.take() {
                if self.acknowledges {
                    self.stream.write_all(b"+").unwrap();
                }
                return body;
            }
            let mut bytes = [0; 1 << 16];
            match self.stream.read(&mut bytes) {
                Ok(0) => panic!("the port was closed"),
                Ok(length) => self.buffer.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Takes a whole packet out of what has come in.
    fn take(&mut self) -> Option<String> {
        let start = self.buffer.iter().position(|&byte| byte == b'$')?;
        let length = self.buffer[start..].iter().position(|&byte| byte == b'#')?;
        let end = start + length + 3;
        if self.buffer.len() < end {
            return None;
        }
        let body = String::from_utf8_lossy(&self.buffer[start + 1..start + length]).into_owned();
        self.buffer.drain(..end);
        Some(body)
    }
}
