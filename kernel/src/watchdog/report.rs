//! How a wait that is too long is told.
//!
//! ```text
//! watchdog: CPU 0 has waited 300 ms for the acknowledgement of CPU 2, generation 5
//! watchdog:   CPU 2: slot 0, IRR clear, ISR clear, interrupts on: the interrupt was lost: … (I2)
//! watchdog:     in kernel::thread::idle+0x40, called by kernel::boot::start_cpu+0x5f
//! watchdog:   probably for want of I2; CPU 0 gives up
//! ```

use super::look::{Looks, standing};
use crate::machine::SHOOTDOWN;
use crate::panic::{Last, Snapshot};
use crate::symbols::Symbolised;
use crate::{console, park, protocols};
use core::fmt::{self, Write};
use hw::interrupts;
use shell::observation::Invariant;
use shootdown::{CpuId, CpuSet};

/// How many calls of a silent CPU are shown.
const CALLS: usize = 5;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Acknowledgements.
    Acknowledgement,
    /// The lock of a protocol.
    ProtocolLock,
    /// A lock of the kernel's, at this address.
    Lock(usize),
}

impl What {
    /// The phrase by which scripts and people know it.
    pub fn noun(self) -> &'static str {
        match self {
            What::Acknowledgement => "acknowledgement",
            What::ProtocolLock => "the protocol's lock",
            What::Lock(_) => "a lock",
        }
    }
}

/// A wait that is too long.
#[derive(Clone, Copy, Debug)]
pub struct Stuck {
    /// Who waits.
    pub waiter: CpuId,
    /// For what.
    pub what: What,
    /// For whom, as far as that is known.
    pub culprits: CpuSet,
    /// For how long by now.
    pub lasted_ms: u64,
}

/// The serial line: by the console's locks where interrupts are on, else past them, since whoever
/// holds them may be what is waited for.
struct Line {
    forced: bool,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.forced {
            Last.write_str(text)
        } else {
            console::Console.write_str(text)
        }
    }
}

/// A CPU or several, in words.
struct Named(CpuSet);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => f.write_str("nobody known"),
            1 => write!(f, "CPU {}", self.0),
            _ => write!(f, "CPUs {}", self.0),
        }
    }
}

/// Prints a line of a report.
pub fn line(arguments: fmt::Arguments<'_>) {
    let forced = !interrupts::are_enabled();
    // The serial line never fails.
    let _ = writeln!(Line { forced }, "watchdog: {arguments}");
}

/// Tells of `stuck`, of what was seen, and of what comes next.
pub fn tell(stuck: &Stuck, looks: &Looks, invariant: Option<Invariant>, what_next: &str) {
    headline(stuck);
    for cpu in stuck.culprits.and(standing()) {
        stands(cpu);
    }
    for look in looks.iter() {
        line(format_args!("  CPU {}: {}", look.finding.cpu, look.finding));
        if let Some(snapshot) = &look.snapshot {
            calls(snapshot);
        }
    }
    let waiter = stuck.waiter;
    match invariant {
        Some(invariant) => line(format_args!(
            "  probably for want of {invariant}; CPU {waiter} {what_next}"
        )),
        None => line(format_args!("  CPU {waiter} {what_next}")),
    }
}

fn headline(stuck: &Stuck) {
    let Stuck {
        waiter,
        what,
        culprits,
        lasted_ms,
    } = *stuck;
    let culprits = Named(culprits);
    match what {
        What::Acknowledgement => {
            let generation = protocols::request(waiter).map_or(0, |request| request.generation);
            line(format_args!(
                "CPU {waiter} has waited {lasted_ms} ms for the acknowledgement of {culprits}, \
                 generation {generation}"
            ));
        }
        What::ProtocolLock => line(format_args!(
            "CPU {waiter} has waited {lasted_ms} ms for the lock of {}, held by {culprits}",
            protocols::in_use().name
        )),
        What::Lock(address) => line(format_args!(
            "CPU {waiter} has waited {lasted_ms} ms for the lock {}, last held by {culprits}",
            Symbolised(address as u64)
        )),
    }
}

/// A CPU that is waited for, and stands still because somebody wants it to.
fn stands(cpu: CpuId) {
    match park::where_is(cpu) {
        Some(parked) => line(format_args!("  {parked}: not stuck")),
        None => line(format_args!("  CPU {cpu} is stopped: not stuck (I15)")),
    }
}

/// Tells how interrupts stand on a CPU that nobody waits for.
pub fn state(cpu: CpuId, snapshot: &Snapshot) {
    let vector = SHOOTDOWN.number();
    let set = |bit| if bit { "set" } else { "clear" };
    let (irr, isr) = (&snapshot.pending.irr, &snapshot.pending.isr);
    line(format_args!(
        "  CPU {cpu}: IRR {}, ISR {}, interrupts {}",
        set(irr.contains(vector)),
        set(isr.contains(vector)),
        if snapshot.frame.interrupts_enabled() {
            "on"
        } else {
            "off"
        }
    ));
}

/// Tells what a CPU is doing, call by call.
pub fn calls(snapshot: &Snapshot) {
    let mut calls = snapshot.calls().iter();
    if let Some(&at) = calls.next() {
        line(format_args!("    in {}", Symbolised(at)));
    }
    for &caller in calls.take(CALLS) {
        line(format_args!("    called by {}", Symbolised(caller)));
    }
}

/// Tells that a wait of `waiter` ended well after all.
pub fn over(waiter: CpuId, lasted_ms: u64) {
    line(format_args!(
        "CPU {waiter} got unstuck after {lasted_ms} ms"
    ));
}
