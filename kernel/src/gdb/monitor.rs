//! `monitor`: shell commands, given while the machine stands still.
//!
//! A command cannot be carried out then: it may wait for CPUs, and for locks that stopped CPUs hold.
//! So it is kept, and a thread of CPU 0 carries it out as soon as the machine runs on. What it
//! prints comes on gdb's console.

use super::{Com2, attached, event, nudge};
use crate::{commands, machine, thread};
use core::fmt;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Release},
};
use gdb_stub::Stub;
use hw::percpu;
use hw::sync::IrqLock;
use shell::Sink;
use shootdown::{CpuId, CpuSet};

/// The longest command.
const LONGEST: usize = 200;
/// How many are kept.
const MOST: usize = 16;

/// The word that has the machine stop again once the commands before it are done.
const STOP: &str = "/stop";

const HELP: &str = "any command of the kernel's shell: carried out when the machine runs on\n\
    /stop  stop the machine again once the commands before this are done\n\
    /list  the commands that wait\n\
    /help  this\n";

/// Commands that wait, first come first served.
struct Waiting {
    lines: [[u8; LONGEST]; MOST],
    lengths: [usize; MOST],
    count: usize,
}

static WAITING: IrqLock<Waiting> = IrqLock::new(Waiting {
    lines: [[0; LONGEST]; MOST],
    lengths: [0; MOST],
    count: 0,
});

impl Waiting {
    fn line(&self, index: usize) -> &str {
        core::str::from_utf8(&self.lines[index][..self.lengths[index]]).unwrap_or("")
    }

    fn push(&mut self, line: &str) -> Result<(), &'static str> {
        if line.len() > LONGEST {
            return Err("the command is too long: at most 200 characters");
        }
        if self.count == MOST {
            return Err("16 commands wait already: `continue` has them carried out");
        }
        self.lines[self.count][..line.len()].copy_from_slice(line.as_bytes());
        self.lengths[self.count] = line.len();
        self.count += 1;
        Ok(())
    }

    /// The first, copied to `line`.
    fn pop(&mut self, line: &mut [u8; LONGEST]) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        *line = self.lines[0];
        let length = self.lengths[0];
        self.lines.copy_within(1.., 0);
        self.lengths.copy_within(1.., 0);
        self.count -= 1;
        Some(length)
    }
}

/// What is to be printed on gdb's console.
struct Output {
    bytes: [u8; 2048],
    length: usize,
}

static OUTPUT: IrqLock<Output> = IrqLock::new(Output {
    bytes: [0; 2048],
    length: 0,
});

/// The thread that carries commands out, plus one; 0 before there is one.
static THREAD: AtomicUsize = AtomicUsize::new(0);

/// A command of `monitor`, while the machine stands still: keeps it, and says so.
pub(super) fn take(command: &str, out: &mut dyn fmt::Write) -> fmt::Result {
    // Its holder may be stopped.
    let Some(mut waiting) = WAITING.try_lock() else {
        return writeln!(
            out,
            "not now: CPU 0 is taking a command; step it, then try again"
        );
    };
    match command {
        "" | "/help" => out.write_str(HELP),
        "/list" => {
            (0..waiting.count).try_for_each(|index| writeln!(out, "{}", waiting.line(index)))
        }
        _ if command.starts_with('/') && command != STOP => {
            writeln!(out, "there is no {command}: /help lists what there is")
        }
        _ => match waiting.push(command) {
            Ok(()) => writeln!(out, "`{command}` is carried out when the machine runs on"),
            Err(why) => writeln!(out, "{why}"),
        },
    }
}

/// Has CPU 0 look at the commands, if there are any. By the leader, before CPUs run.
pub(super) fn wake_if_due() {
    let due = WAITING.try_lock().is_none_or(|waiting| waiting.count > 0);
    if due && THREAD.load(Acquire) != 0 {
        hw::apic::undisturbed(|| machine::send_reschedule(CpuId::BOOT));
    }
}

/// For CPU 0's rescheduling interrupt: wakes the thread if commands wait.
pub fn kick() {
    let thread = THREAD.load(Acquire);
    if thread != 0 && percpu::cpu() == CpuId::BOOT && WAITING.lock().count > 0 {
        thread::unpark(thread - 1);
    }
}

/// Starts the thread. Once.
pub(super) fn start() {
    let thread = thread::spawn("gdb", CpuSet::only(CpuId::BOOT), None, carry_out);
    if let Ok(thread) = thread {
        THREAD.store(thread + 1, Release);
    }
}

fn carry_out() {
    let mut line = [0; LONGEST];
    loop {
        let Some(length) = WAITING.lock().pop(&mut line) else {
            thread::park();
            continue;
        };
        match core::str::from_utf8(&line[..length]) {
            Ok(STOP) => event(""),
            Ok(command) => commands::from_debugger(command, &mut Console),
            Err(_) => {}
        }
        nudge();
    }
}

/// gdb's console, or the serial line if gdb is gone.
struct Console;

impl Sink for Console {
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if !attached() {
                crate::console::write(rest);
                return;
            }
            let added = add(rest);
            rest = &rest[added..];
            if !rest.is_empty() {
                nudge();
                thread::yield_now();
            }
        }
    }

    fn interrupted(&mut self) -> bool {
        crate::console::interrupted()
    }
}

/// Adds what fits of `bytes` to what is to be printed. Returns how much.
fn add(bytes: &[u8]) -> usize {
    let mut output = OUTPUT.lock();
    let start = output.length;
    let count = bytes.len().min(output.bytes.len() - start);
    output.bytes[start..start + count].copy_from_slice(&bytes[..count]);
    output.length += count;
    count
}

/// Prints a line on gdb's console at the next stop.
pub(super) fn say(what: &str) {
    if !what.is_empty() {
        add(what.as_bytes());
        add(b"\n");
    }
}

/// Whether there is something to print, and somebody to print it for.
pub(super) fn has_output() -> bool {
    attached() && OUTPUT.try_lock().is_some_and(|output| output.length > 0)
}

/// Prints what there is. By the leader, while gdb takes the machine for a running one.
pub(super) fn pass_on(stub: &mut Stub) {
    let Some(mut output) = OUTPUT.try_lock() else {
        return;
    };
    if stub.attached() {
        let length = core::mem::take(&mut output.length);
        stub.print(&output.bytes[..length], &mut Com2);
    }
}
