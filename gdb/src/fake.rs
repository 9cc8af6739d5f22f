//! A machine that is a few arrays, a port that is two more, and a session with both: for tests and the fuzzer.

use crate::framer::checksum;
use crate::machine::{Access, Machine, Port, Probed, Reason, Received, Refused, Stop};
use crate::{Ending, Register, Stub};
use core::fmt;
use shootdown::{CpuId, CpuSet};
use std::boxed::Box;
use std::collections::VecDeque;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// Where the fake's memory begins.
pub const MEMORY: u64 = 0x1000;
/// In bytes.
pub const BYTES: usize = 0x8000;

/// Three CPUs, some memory.
pub struct Fake {
    /// By CPU.
    pub registers: [[u64; crate::COUNT]; 3],
    /// From [`MEMORY`] on.
    pub memory: Vec<u8>,
    /// Where they stand.
    pub breakpoints: Vec<u64>,
    /// Address, length, and what is watched for.
    pub watches: Vec<(u64, u64, Access)>,
    /// The `monitor` commands.
    pub commands: Vec<String>,
    /// How often a physical address was read.
    pub physical_reads: std::cell::Cell<usize>,
}

impl Default for Fake {
    fn default() -> Self {
        Fake {
            registers: [[0; crate::COUNT]; 3],
            memory: vec![0; BYTES],
            breakpoints: vec![],
            watches: vec![],
            commands: vec![],
            physical_reads: Default::default(),
        }
    }
}

/// CPU `number`.
///
/// # Panics
/// If there is no such CPU.
pub fn cpu(number: usize) -> CpuId {
    CpuId::new(number).unwrap()
}

fn range(address: u64, length: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(address.checked_sub(MEMORY)?).ok()?;
    let end = start.checked_add(length)?.min(BYTES);
    (start < end).then_some(start..end)
}

impl Machine for Fake {
    fn cpus(&self) -> CpuSet {
        CpuSet::first(3)
    }

    fn current(&self) -> CpuId {
        cpu(1)
    }

    fn describe(&self, cpu: CpuId, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "CPU {cpu}: idle")
    }

    fn register(&self, cpu: CpuId, register: Register) -> Option<u64> {
        Some(self.registers[cpu.index()][register as usize])
    }

    fn set_register(&mut self, cpu: CpuId, register: Register, value: u64) -> Result<(), Refused> {
        if register == Register::Cr3 {
            return Err(Refused);
        }
        self.registers[cpu.index()][register as usize] = value;
        Ok(())
    }

    fn read(&self, cpu: Option<CpuId>, address: u64, buffer: &mut [u8]) -> usize {
        if cpu.is_none() {
            self.physical_reads.set(self.physical_reads.get() + 1);
        }
        let Some(range) = range(address, buffer.len()) else {
            return 0;
        };
        let length = range.len();
        buffer[..length].copy_from_slice(&self.memory[range]);
        length
    }

    fn write(&mut self, _cpu: Option<CpuId>, address: u64, bytes: &[u8]) -> Result<(), Refused> {
        let range = range(address, bytes.len()).ok_or(Refused)?;
        if range.len() < bytes.len() {
            return Err(Refused);
        }
        self.memory[range].copy_from_slice(bytes);
        Ok(())
    }

    fn insert_breakpoint(&mut self, _cpu: CpuId, address: u64) -> Result<(), Refused> {
        self.breakpoints.push(address);
        Ok(())
    }

    fn remove_breakpoint(&mut self, address: u64) -> Result<(), Refused> {
        let place = self.breakpoints.iter().position(|&at| at == address);
        self.breakpoints.remove(place.ok_or(Refused)?);
        Ok(())
    }

    fn insert_watch(&mut self, address: u64, bytes: u64, access: Access) -> Result<(), Refused> {
        self.watches.push((address, bytes, access));
        Ok(())
    }

    fn remove_watch(&mut self, address: u64, bytes: u64, access: Access) -> Result<(), Refused> {
        let wanted = (address, bytes, access);
        let place = self.watches.iter().position(|&watch| watch == wanted);
        self.watches.remove(place.ok_or(Refused)?);
        Ok(())
    }

    fn probe(&mut self, cpu: CpuId, address: u64) -> Option<Probed> {
        let hit = cpu.index() == 2;
        (address == MEMORY).then_some(Probed { hit, value: 0xabc })
    }

    fn forget(&mut self) {
        self.breakpoints.clear();
        self.watches.clear();
    }

    fn monitor(&mut self, command: &str, out: &mut dyn fmt::Write) {
        self.commands.push(command.to_string());
        let _ = out.write_str("kept\n");
    }

    fn exec_file(&self, index: usize) -> Option<u8> {
        b"/kernel".get(index).copied()
    }
}

/// What is to be received, and what was sent.
#[derive(Default)]
pub struct Line {
    /// To be received.
    pub input: VecDeque<u8>,
    /// What was sent.
    pub sent: Vec<u8>,
}

impl Port for Line {
    fn receive(&mut self) -> Received {
        self.input
            .pop_front()
            .map_or(Received::Closed, Received::Byte)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
    }
}

/// `body` as a packet.
pub fn packet(body: &str) -> Vec<u8> {
    format!("${body}#{:02x}", checksum(body.as_bytes())).into_bytes()
}

/// A session: the stub, the machine, the line.
pub struct Session {
    /// The stub.
    pub stub: Box<Stub>,
    /// What it debugs.
    pub machine: Fake,
    /// Its port.
    pub line: Line,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// Nobody has said anything yet.
    pub fn new() -> Self {
        Session {
            stub: Box::new(Stub::new()),
            machine: Fake::default(),
            line: Line::default(),
        }
    }

    /// As a gdb that has said hello, without acknowledgements.
    pub fn greeted() -> Self {
        let mut session = Session::new();
        session
            .line
            .input
            .extend(packet("qSupported:multiprocess+"));
        session.line.input.extend(packet("QStartNoAckMode"));
        session.line.input.extend(packet("vCont;c"));
        let ending = session.go(None);
        assert!(matches!(ending, Ending::Resume(_)), "{ending:?}");
        session.line.sent.clear();
        session
    }

    /// Converses until the machine is to run, or there is no more input.
    pub fn go(&mut self, stop: Option<Stop>) -> Ending {
        self.stub.converse(&mut self.machine, &mut self.line, stop)
    }

    /// The answers to `bodies`, asked in a stop that was reported; the report itself left out.
    pub fn ask(&mut self, bodies: &[&str]) -> Vec<String> {
        self.line.input.clear();
        for body in bodies {
            self.line.input.extend(packet(body));
        }
        // The machine runs on: what was agreed holds.
        self.line.input.extend(packet("vCont;c"));
        self.line.sent.clear();
        let stop = Stop {
            cpu: cpu(1),
            reason: Reason::Step,
        };
        self.go(Some(stop));
        let answers = bodies_of(&self.line.sent);
        answers.into_iter().skip(1).collect()
    }

    /// Takes `stopped` while the machine stands, then `running` while it runs.
    pub fn hear(&mut self, stopped: &[u8], running: &[u8]) {
        self.line.sent.clear();
        self.line.input.extend(stopped);
        while !self.line.input.is_empty() {
            self.go(None);
        }
        for &byte in running {
            self.stub.while_running(byte, &mut self.line);
        }
    }

    /// Whether the stub answers the next good question, however it was treated before.
    pub fn answers(&mut self) -> bool {
        self.line.input.clear();
        // A packet that broke off ends here; then as a new gdb begins.
        self.line.input.extend(b"#00");
        self.line.input.extend(packet("qSupported:multiprocess+"));
        self.line.input.extend(packet("qAttached"));
        self.line.sent.clear();
        let mut stop = Some(Stop {
            cpu: cpu(0),
            reason: Reason::Signal(Stop::TRAP),
        });
        // What it was asked before may have it run.
        while !self.line.input.is_empty() {
            self.go(stop.take());
        }
        let answers = bodies_of(&self.line.sent);
        answers.last().is_some_and(|answer| answer == "1")
    }
}

/// The bodies of the packets in `bytes`, run lengths expanded, each with a right checksum.
///
/// # Panics
/// If a packet is not whole, or its checksum is wrong.
pub fn bodies_of(bytes: &[u8]) -> Vec<String> {
    let mut bodies = vec![];
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|&byte| byte == b'$') {
        rest = &rest[start + 1..];
        let end = rest.iter().position(|&byte| byte == b'#').expect("it ends");
        let sum = std::str::from_utf8(&rest[end + 1..end + 3]).unwrap();
        assert_eq!(sum, format!("{:02x}", checksum(&rest[..end])));
        bodies.push(expanded(&rest[..end]));
        rest = &rest[end + 3..];
    }
    bodies
}

fn expanded(body: &[u8]) -> String {
    let mut text = String::new();
    let mut bytes = body.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'*' {
            let count = bytes.next().expect("a count") - 29;
            let last = text.chars().last().expect("something to repeat");
            text.extend(std::iter::repeat_n(last, count.into()));
        } else {
            text.push(char::from(byte));
        }
    }
    text
}
