//! A machine with its shell and its debugger's socket, and a peer that speaks the remote protocol itself: what
//! gdb would hide, tests and benchmarks see.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// `kit run --gdb`, with a shell on pipes. It ends with the value.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    socket: PathBuf,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Machine {
    /// Boots to the prompt. `kit` is the program, `stub` who answers the debugger.
    ///
    /// # Errors
    /// What keeps the machine from its prompt.
    pub fn boot(kit: &Path, stub: &str) -> io::Result<Self> {
        let mut child = Command::new(kit)
            .args(["run", "--gdb", stub])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output), Some(told)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three are pipes");
        };
        let mut lines = BufReader::new(told).lines();
        let socket = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, after) = line.split_once("target remote ")?;
            Some(PathBuf::from(after.split('\'').next()?))
        });
        let socket = socket.ok_or_else(|| other("kit never said how to attach"))?;
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let mut machine = Self {
            child,
            input,
            output: BufReader::new(output),
            socket,
        };
        machine.until("boot: ready")?;
        Ok(machine)
    }

    /// Types a line at the shell.
    ///
    /// # Errors
    /// If the machine has ended.
    pub fn type_line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.input, "{line}")
    }

    /// The shell's output up to and with a line that contains `words`.
    ///
    /// # Errors
    /// If the machine ends before: with what it printed.
    pub fn until(&mut self, words: &str) -> io::Result<String> {
        let mut text = String::new();
        loop {
            let before = text.len();
            if self.output.read_line(&mut text)? == 0 {
                return Err(other(&format!(
                    "the machine ended without `{words}`:\n{text}"
                )));
            }
            if text[before..].contains(words) {
                return Ok(text);
            }
        }
    }

    /// Waits for the end of the machine.
    ///
    /// # Errors
    /// The host's.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Connects to the debugger's port.
    ///
    /// # Errors
    /// The socket's.
    pub fn connect(&self) -> io::Result<Peer> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Peer {
            stream,
            received: 0,
            buffer: vec![],
            acknowledges: true,
        })
    }
}

/// One end of the remote protocol.
#[derive(Debug)]
pub struct Peer {
    /// For what is no packet.
    pub stream: UnixStream,
    /// How many bytes have come in.
    pub received: usize,
    buffer: Vec<u8>,
    /// Every packet is acknowledged.
    acknowledges: bool,
}

/// `body` as a packet.
#[must_use]
pub fn packet(body: &str) -> Vec<u8> {
    let sum = body.bytes().fold(0_u8, u8::wrapping_add);
    format!("${body}#{sum:02x}").into_bytes()
}

fn other(message: &str) -> io::Error {
    io::Error::other(message.to_owned())
}

impl Peer {
    /// Says hello as gdb does, and that nothing needs acknowledging where the stub agrees. Returns the longest
    /// packet that the stub takes, in bytes.
    ///
    /// # Errors
    /// The stub does not answer, or not as one.
    pub fn greet(&mut self) -> io::Result<usize> {
        let offer = self.ask("qSupported:multiprocess+")?;
        let mut features = offer.split(';');
        let size = features.find_map(|feature| feature.strip_prefix("PacketSize="));
        let size = size.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.ok_or_else(|| other(&format!("no PacketSize in `{offer}`")))?;
        // QEMU's stub knows nothing of this.
        let agreed = self.ask("QStartNoAckMode")? == "OK";
        self.acknowledges = !agreed;
        Ok(size)
    }

    /// Sends a packet and returns the body of the next one that comes back.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn ask(&mut self, body: &str) -> io::Result<String> {
        self.stream.write_all(&packet(body))?;
        self.answer()
    }

    /// The body of the next packet.
    ///
    /// # Errors
    /// The port was closed, or nothing came for 90 seconds.
    pub fn answer(&mut self) -> io::Result<String> {
        loop {
            if let Some(body) = self.take() {
                if self.acknowledges {
                    self.stream.write_all(b"+")?;
                }
                return Ok(body);
            }
            let mut bytes = [0; 1 << 16];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(other("the port was closed")),
                Ok(length) => {
                    self.received += length;
                    self.buffer.extend_from_slice(&bytes[..length]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
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
