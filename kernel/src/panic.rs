//! The end of the machine: what happened, where, and a status that no host takes for success.

use crate::symbols::Symbolised;
use crate::{backtrace, channel, gdb, machine};
use core::fmt::{self, Write};
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use hw::entry::Frame;
use hw::exit::{Status, exit};
use hw::sync::IrqLock;
use hw::{apic, clock, interrupts, percpu, stack, tlb, uart};
use shootdown::{CpuId, CpuSet, MAX_CPUS};

/// The CPU that panicked first, plus one.
static PANICKED: AtomicU32 = AtomicU32::new(0);

/// CPUs whose registers somebody asked for.
static WANTED: AtomicU64 = AtomicU64::new(0);
/// What they answered.
static SNAPSHOTS: [IrqLock<Option<Snapshot>>; MAX_CPUS] = [const { IrqLock::new(None) }; MAX_CPUS];
static ANSWERED: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

/// What a CPU was doing: taken by itself, in the NMI, since its stack changes as soon as it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Its registers.
    pub frame: Frame,
    /// Where its interrupts stood.
    pub pending: apic::Pending,
    calls: [u64; backtrace::DEPTH],
    depth: usize,
    /// A bit for each vector whose handler was under way.
    interrupts: [u64; 4],
}

impl Snapshot {
    /// What this CPU was doing when it came by `frame`. Interrupts off.
    pub fn take(frame: &Frame) -> Snapshot {
        let mut snapshot = Snapshot {
            frame: *frame,
            pending: apic::pending(),
            calls: [0; backtrace::DEPTH],
            depth: 1,
            interrupts: [0; 4],
        };
        snapshot.calls[0] = frame.rip;
        if !frame.from_user() {
            for (call, address) in snapshot.calls[1..]
                .iter_mut()
                .zip(backtrace::walk(frame.rbp))
            {
                *call = address;
                snapshot.depth += 1;
            }
            for vector in backtrace::interrupts(frame.rbp, frame.cs) {
                snapshot.interrupts[usize::from(vector / 64)] |= 1 << (vector % 64);
            }
        }
        snapshot
    }

    /// Whether it was in the handler of `vector`, or in one that had interrupted that.
    pub fn handles(&self, vector: u8) -> bool {
        self.interrupts[usize::from(vector / 64)] & 1 << (vector % 64) != 0
    }

    /// Where it was, then who had called, innermost first.
    pub fn calls(&self) -> &[u64] {
        &self.calls[..self.depth]
    }
}

/// The serial line, locks or no locks: whoever held them may be the one that failed.
#[derive(Debug)]
pub struct Last;

impl Write for Last {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive('\n') {
            match piece.strip_suffix('\n') {
                Some(line) => {
                    uart::COM1.force_write(line.as_bytes());
                    uart::COM1.force_write(b"\r\n");
                }
                None => uart::COM1.force_write(piece.as_bytes()),
            }
        }
        Ok(())
    }
}

/// The names of the exceptions (SDM vol. 3A, table 6-1).
const EXCEPTIONS: [&str; 22] = [
    "divide error",
    "debug exception",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack-segment fault",
    "general protection fault",
    "page fault",
    "reserved exception",
    "x87 floating-point error",
    "alignment check",
    "machine check",
    "SIMD floating-point error",
    "virtualization exception",
    "control protection exception",
];

/// What an exception was, in words.
#[derive(Debug)]
pub struct Cause<'f>(pub &'f Frame);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = self.0;
        let name = EXCEPTIONS
            .get(frame.vector as usize)
            .unwrap_or(&"reserved exception");
        match frame.vector {
            14 => {
                let address = tlb::fault_address();
                let what = match (frame.error & 16 != 0, frame.error & 2 != 0) {
                    (true, _) => "executing",
                    (_, true) => "writing",
                    _ => "reading",
                };
                let why = match frame.error {
                    error if error & 8 != 0 => "a reserved bit is set in its page tables",
                    error if error & 1 != 0 => "it is mapped, but not for that",
                    _ if address < 4096 => "NULL is never mapped",
                    _ if stack::is_guard(address) => "a stack ran into its guard page",
                    _ => "it is not mapped",
                };
                write!(f, "{name} {what} {address:#x}: {why}")
            }
            8 if stack::is_guard(frame.rsp) => write!(f, "{name}: a stack ran into its guard page"),
            _ => write!(f, "{name}, error code {:#x}", frame.error),
        }
    }
}

/// The registers of a frame, four to a line.
#[derive(Debug)]
pub struct Registers<'f>(pub &'f Frame);

impl fmt::Display for Registers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.named().chunks(4) {
            for (name, value) in line {
                write!(f, "  {name:>6} {value:#018x}")?;
            }
            writeln!(f)?;
        }
        write!(f, "      at {}", Symbolised(self.0.rip))
    }
}

/// Ends the machine for an exception that nothing in the kernel may cause.
pub fn exception(frame: &Frame) -> ! {
    begin();
    // Nothing more can be done about a serial line that fails.
    let _ = writeln!(
        Last,
        "\npanic: CPU {}: {}\n{}",
        percpu::cpu(),
        Cause(frame),
        Registers(frame)
    );
    print_backtrace(frame.rbp);
    gdb::before_the_end(Some(frame));
    end()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    begin();
    let _ = write!(Last, "\npanic: CPU {}: {}", percpu::cpu(), info.message());
    if let Some(location) = info.location() {
        let _ = write!(Last, " ({location})");
    }
    let _ = writeln!(Last);
    print_backtrace(frame_pointer());
    gdb::before_the_end(None);
    end()
}

/// The frame pointer here: the panic handler's own calls come first.
fn frame_pointer() -> u64 {
    hw::context::frame_pointer()
}

fn print_backtrace(rbp: u64) {
    let _ = writeln!(Last, "backtrace of thread {}:", percpu::thread());
    for address in backtrace::walk(rbp) {
        let _ = writeln!(Last, "  {}", Symbolised(address));
    }
}

/// The first CPU to fail stops the others; any other only halts.
fn begin() {
    interrupts::disable();
    machine::stay_alone();
    let me = percpu::cpu();
    let first = PANICKED.compare_exchange(0, me.index() as u32 + 1, AcqRel, Acquire);
    match first {
        // It stops them itself, so that they can be looked at.
        Ok(_) if gdb::takes_over() => {}
        Ok(_) => {
            for cpu in machine::online().without(me) {
                // A CPU that cannot be stopped is no reason not to report.
                let _ = apic::send_nmi(hw::ap::apic_id(cpu));
            }
        }
        Err(cpu) if cpu == me.index() as u32 + 1 => {
            let _ = writeln!(Last, "\npanic: CPU {me}: again, while reporting the first");
            exit(Status::Panic);
        }
        Err(_) => halt(),
    }
}

fn end() -> ! {
    channel::close();
    exit(Status::Panic)
}

fn halt() -> ! {
    loop {
        interrupts::disable();
        hw::interrupts::halt();
    }
}

/// Whether a CPU has panicked.
pub fn is_under_way() -> bool {
    PANICKED.load(Acquire) != 0
}

/// Halts this CPU if another has panicked.
pub fn halt_if_panicked() {
    let panicked = PANICKED.load(Acquire);
    if panicked != 0 && panicked != percpu::cpu().index() as u32 + 1 {
        halt();
    }
}

/// An NMI: somebody panicked, or wants to know what this CPU is doing.
pub fn answer_nmi(frame: &Frame) {
    let me = percpu::cpu();
    // One that is at the evidence channel must free it first. The one that panicked goes on reporting, though the beat of
    // the watchdog comes upon it.
    if !channel::busy(me) {
        halt_if_panicked();
    }
    let mine = CpuSet::only(me).bits();
    if WANTED.fetch_and(!mine, AcqRel) & mine != 0 {
        // The one who asks holds the lock only after the answer; never wait in an NMI.
        if let Some(mut snapshot) = SNAPSHOTS[me.index()].try_lock() {
            *snapshot = Some(Snapshot::take(frame));
        }
        ANSWERED[me.index()].store(true, Release);
    }
}

/// What `cpu` was doing when an NMI reached it, whatever it was, interrupts off included.
///
/// # Errors
/// A description, if it did not answer within a second.
pub fn snapshot(cpu: CpuId) -> Result<Snapshot, &'static str> {
    ANSWERED[cpu.index()].store(false, Relaxed);
    WANTED.fetch_or(CpuSet::only(cpu).bits(), AcqRel);
    apic::send_nmi(hw::ap::apic_id(cpu)).map_err(|_| "the NMI was not accepted")?;
    let deadline = clock::Deadline::after_us(1_000_000);
    while !ANSWERED[cpu.index()].load(Acquire) {
        if deadline.expired() {
            return Err("it does not answer an NMI");
        }
        core::hint::spin_loop();
    }
    SNAPSHOTS[cpu.index()]
        .lock()
        .take()
        .ok_or("it was busy answering somebody else")
}
