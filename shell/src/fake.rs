//! A system and a terminal for tests.

use crate::commands::{CommandId, Request};
use crate::notice::Notice;
use crate::observation::{Hang, Invariant, Observation, Violation};
use crate::parse::Invocation;
use crate::report::{Output, Settings, Sink, Style, Table, Value};
use crate::system::{Failure, NameKind, System};
use crate::terminal::Tty;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use shootdown::{CpuId, CpuSet};

/// Text as a script's transcript has it.
pub const PLAIN: Settings = Settings {
    colour: false,
    columns: 0,
    crlf: false,
};

/// What `storm rounds=14` ends by.
const HANG: Observation = Observation::Hang(Hang {
    waiter: CpuId::BOOT,
    culprits: CpuSet::from_bits(0b100),
    invariant: Invariant::new(6),
    what: "acknowledgement",
});

/// Four CPUs, two protocols, one address space; remembers what it was asked.
pub struct FakeSystem {
    pub online: CpuSet,
    pub seen: Vec<Invocation>,
    pub violations: u64,
    /// What it saw and was not asked for yet.
    pub observations: Vec<Observation>,
    /// What it has to tell.
    pub notices: RefCell<Vec<Notice>>,
    /// How many violations were excused.
    pub excused: u64,
    /// The line that it fails to carry out.
    pub fails: &'static str,
}

impl FakeSystem {
    pub fn new() -> Self {
        FakeSystem {
            online: CpuSet::first(4),
            seen: Vec::new(),
            violations: 0,
            observations: Vec::new(),
            notices: RefCell::default(),
            excused: 0,
            fails: "",
        }
    }

    /// Sees I5 violated on CPU 1, twice.
    fn violate(&mut self) {
        self.violations += 2;
        self.observations.push(Observation::Violation {
            first: Violation {
                invariant: Invariant::new(5),
                cpu: CpuId::new(1).expect("a CPU"),
                what: "stale read",
                address: Some(0x400000),
            },
            times: 2,
        });
    }

    /// The lines it was asked to carry out.
    pub fn lines(&self) -> Vec<&str> {
        self.seen
            .iter()
            .map(|invocation| invocation.line.as_str())
            .collect()
    }
}

impl System for FakeSystem {
    fn execute(&mut self, invocation: &Invocation, output: &mut Output<'_>) -> Result<(), Failure> {
        self.seen.push(invocation.clone());
        if invocation.line == self.fails {
            return Err(Failure::new("the fake was told to fail"));
        }
        match &invocation.request {
            Request::Cpus(_) => output.table("cpus", cpus(self.online)),
            Request::Storm(args) if args.rounds == 13 => self.violate(),
            Request::Storm(args) if args.rounds == 14 => {
                self.observations.push(HANG);
                return Err(Failure::new("CPU 0 gave up"));
            }
            Request::Regs(_) => {
                output.field("symbol", "before\x1b[2Jafter");
                return Err(Failure::new("CPU 1 did not answer\x07").hint("try `cpus`"));
            }
            Request::Sleep(args) => {
                output.field("before", 1u64);
                output.progress(format!("{} ms to go", args.milliseconds));
                output.field("after", 2u64);
            }
            Request::Version(_) => {
                output.field("kernel", "0.1.0");
                output.field("start_address", Value::hex(0xffff_ffff_8000_0000));
                output.field("ready", Value::from(true).styled(Style::Good));
            }
            request => output.field("id", format!("{:?}", CommandId::from(request))),
        }
        Ok(())
    }

    fn names(&self, kind: NameKind) -> Vec<String> {
        let names: &[&str] = match kind {
            NameKind::Protocol => &["scoreboard", "global-lock"],
            NameKind::Program => &["toucher", "revoker"],
            NameKind::Bench => &["ipi", "page"],
            NameKind::Selftest => &["drain"],
            NameKind::Space => &["0", "1"],
        };
        names.iter().map(ToString::to_string).collect()
    }

    fn online(&self) -> CpuSet {
        self.online
    }

    fn violations(&self) -> u64 {
        self.violations
    }

    fn observations(&mut self) -> Vec<Observation> {
        core::mem::take(&mut self.observations)
    }

    fn notices(&self) -> Vec<Notice> {
        self.notices.take()
    }

    fn excuse(&mut self, violations: u64) {
        self.excused += violations;
    }
}

impl From<&Request> for CommandId {
    fn from(request: &Request) -> Self {
        request.id()
    }
}

fn cpus(online: CpuSet) -> Table {
    let mut table = Table::new(["cpu", "apic_id", "state"]);
    for cpu in online {
        let state = if cpu == CpuId::BOOT {
            "boot CPU"
        } else {
            "idle"
        };
        table.row([cpu.into(), (cpu.index() * 10).into(), state.into()]);
    }
    table
}

/// A terminal that types a script and keeps what it is shown.
#[derive(Default)]
pub struct FakeTty {
    pub input: VecDeque<u8>,
    pub shown: Vec<u8>,
}

impl FakeTty {
    pub fn typing(input: &[u8]) -> Self {
        FakeTty {
            input: input.iter().copied().collect(),
            shown: Vec::new(),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

impl Sink for FakeTty {
    fn write(&mut self, bytes: &[u8]) {
        self.shown.extend_from_slice(bytes);
    }
}

impl Tty for FakeTty {
    fn read(&mut self) -> Option<u8> {
        self.input.pop_front()
    }
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// What a line shows.
pub fn shown(line: &str, settings: Settings) -> String {
    let mut bytes = Vec::new();
    let _ = crate::run_line(line, &mut FakeSystem::new(), &mut bytes, settings);
    String::from_utf8(bytes).expect("the shell writes UTF-8")
}

/// What a line failed with.
pub fn failure(line: &str) -> Failure {
    let mut bytes = Vec::new();
    crate::run_line(line, &mut FakeSystem::new(), &mut bytes, PLAIN).expect_err(line)
}
