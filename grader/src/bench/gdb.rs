//! What gdb's questions cost: the kernel's stub beside the bare port, and beside QEMU's own stub.
//!
//! The kernel's limit is its UART. So the port is timed in the same conversation, by answers of as many bytes
//! that nothing was looked up for (`qkit.Fill`), and what is printed are ratios to that. What is read is the
//! memory that takes the most bytes to tell: zeros come as a count.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ratio;
use crate::gdb::peer::{Machine, Peer};
use crate::status::Failure;

/// How much memory is read.
const MEMORY: usize = 64 << 10;
/// Where the kernel is loaded, in physical memory, and how much of that is tried.
const KERNEL: std::ops::Range<usize> = 0x10_0000..0x20_0000;
/// The longest answer that the stub fills, in bytes.
const FILL: usize = 0x2000;
/// How many steps are timed.
const STEPS: u32 = 400;
/// How often everything is measured; the best counts, since a busy host only ever adds.
const ROUNDS: usize = 5;

/// The best times of one stub.
struct Times {
    memory: Duration,
    step: Duration,
    /// Of the port alone, for as many bytes: if it can be measured.
    port: Option<Port>,
}

#[derive(Clone, Copy)]
struct Port {
    memory: Duration,
    step: Duration,
}

/// Measures both stubs, in turns.
pub(super) struct Measured {
    kernel: Times,
    port: Port,
    qemu: Times,
}

/// Measures.
///
/// # Errors
/// The machine's, or an answer that no stub gives.
pub(super) fn measure(kit: &Path) -> Result<Measured, Failure> {
    let failed = |error: io::Error| Failure::host(format!("measuring the gdb stub: {error}"));
    let kernel = times(kit, "kernel").map_err(failed)?;
    let qemu = times(kit, "qemu").map_err(failed)?;
    let port = kernel
        .port
        .ok_or_else(|| Failure::host("the kernel's stub does not know `qkit.Fill`"))?;
    Ok(Measured { kernel, port, qemu })
}

impl Measured {
    /// As JSON: times in seconds, and the ratios.
    pub(super) fn json(&self) -> Value {
        json!({
            "memory_bytes": MEMORY,
            "memory_seconds": self.kernel.memory.as_secs_f64(),
            "memory_to_port": ratio(self.kernel.memory, self.port.memory),
            "memory_to_qemu": ratio(self.kernel.memory, self.qemu.memory),
            "step_seconds": self.kernel.step.as_secs_f64(),
            "step_to_port": ratio(self.kernel.step, self.port.step),
            "steps_per_second_to_qemu": ratio(self.qemu.step, self.kernel.step),
        })
    }

    /// As lines.
    pub(super) fn print(&self) {
        let row = |what: &str, kernel: Duration, port: Duration, qemu: Duration| {
            println!(
                "  {what:<26} {:>9.1} us   {:>5.2} x the bare port   {:>6.2} x QEMU's stub",
                kernel.as_secs_f64() * 1e6,
                ratio(kernel, port),
                ratio(kernel, qemu),
            );
        };
        println!("\nthe kernel's gdb stub (best of {ROUNDS})");
        row(
            "reading 64 KiB of memory",
            self.kernel.memory,
            self.port.memory,
            self.qemu.memory,
        );
        row(
            "a step, in a running loop",
            self.kernel.step,
            self.port.step,
            self.qemu.step,
        );
        println!(
            "  steps a second: {:.0}, {:.2} x QEMU's",
            1.0 / self.kernel.step.as_secs_f64(),
            ratio(self.qemu.step, self.kernel.step)
        );
    }
}

/// Times one stub.
fn times(kit: &Path, stub: &str) -> io::Result<Times> {
    let mut machine = Machine::boot(kit, stub)?;
    // A loop in user mode on every CPU, so that no step has to wait for an interrupt.
    machine.type_line("map 0x400000")?;
    machine.type_line("witness start")?;
    machine.type_line("echo busy")?;
    // As it is typed, then as it is carried out.
    machine.until("busy")?;
    machine.until("busy")?;
    let mut peer = machine.connect()?;
    let size = peer.greet()?;
    // gdb's first question; QEMU's stub knows its threads from here on.
    peer.ask("?")?;
    // As gdb has it: one CPU steps, the others run.
    let step = format!("vCont;s:{};c:p1.-1", thread(&mut peer, 1)?);
    let mut times = Times {
        memory: Duration::MAX,
        step: Duration::MAX,
        port: None,
    };
    let mut wordy = (0, KERNEL.start);
    for address in KERNEL.step_by(MEMORY) {
        let before = peer.received;
        read(&mut peer, size, address)?;
        wordy = wordy.max((peer.received - before, address));
    }
    for _ in 0..ROUNDS {
        round(&mut peer, size, wordy.1, &step, &mut times)?;
    }
    Ok(times)
}

/// The stub's name for the thread that is CPU `cpu`.
fn thread(peer: &mut Peer, cpu: usize) -> io::Result<String> {
    let ends_in = |name: &&str| {
        let number = name.rsplit('.').next().unwrap_or(name);
        usize::from_str_radix(number, 16) == Ok(cpu + 1)
    };
    let mut list = peer.ask("qfThreadInfo")?;
    // A stub may name them one by one.
    while let Some(names) = list.strip_prefix('m') {
        if let Some(name) = names.split(',').find(ends_in) {
            return Ok(name.to_owned());
        }
        list = peer.ask("qsThreadInfo")?;
    }
    Err(io::Error::other(format!(
        "the stub names no thread for CPU {cpu}"
    )))
}

/// Reads the memory at `address`; how many bytes each of the answers took.
fn read(peer: &mut Peer, size: usize, address: usize) -> io::Result<Vec<usize>> {
    // Two digits a byte, and the frame.
    let chunk = ((size - 4) / 2).min(MEMORY) & !0xff;
    let mut lengths = vec![];
    peer.ask("Qqemu.PhyMemMode:1")?;
    for start in (0..MEMORY).step_by(chunk) {
        let (place, length) = (address + start, chunk.min(MEMORY - start));
        let before = peer.received;
        let answer = peer.ask(&format!("m{place:x},{length:x}"))?;
        if answer.starts_with('E') {
            return Err(io::Error::other(format!("memory at {place:#x}: {answer}")));
        }
        lengths.push(peer.received - before);
    }
    peer.ask("Qqemu.PhyMemMode:0")?;
    Ok(lengths)
}

fn round(
    peer: &mut Peer,
    size: usize,
    address: usize,
    step: &str,
    times: &mut Times,
) -> io::Result<()> {
    let begun = Instant::now();
    let lengths = read(peer, size, address)?;
    times.memory = times.memory.min(begun.elapsed());

    let begun = Instant::now();
    let mut reply = String::new();
    for _ in 0..STEPS {
        reply = peer.ask(step)?;
    }
    times.step = times.step.min(begun.elapsed() / STEPS);
    if !reply.starts_with("T05") {
        return Err(io::Error::other(format!(
            "a step was answered by `{reply}`"
        )));
    }
    if let Some(port) = port(peer, &lengths, reply.len())? {
        let best = times.port.get_or_insert(port);
        best.memory = best.memory.min(port.memory);
        best.step = best.step.min(port.step);
    }
    Ok(())
}

/// Times the port alone: answers as long as `lengths`, then as long as a step's. `None` if the stub cannot.
fn port(peer: &mut Peer, lengths: &[usize], reply: usize) -> io::Result<Option<Port>> {
    if fill(peer, 1)? == 0 {
        return Ok(None);
    }
    let begun = Instant::now();
    for &length in lengths {
        // A packet's frame is four bytes.
        let mut left = length.saturating_sub(4);
        while left > 0 {
            left -= fill(peer, left.min(FILL))?.clamp(1, left);
        }
    }
    let memory = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..STEPS {
        fill(peer, reply)?;
    }
    let step = begun.elapsed() / STEPS;
    Ok(Some(Port { memory, step }))
}

/// Has the stub answer with `length` bytes, at most [`FILL`]; how many came.
fn fill(peer: &mut Peer, length: usize) -> io::Result<usize> {
    Ok(peer.ask(&format!("qkit.Fill:{length:x}"))?.len())
}
