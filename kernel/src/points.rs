//! What the kernel does at the points of a shootdown besides counting: trace, inject faults, park.
//!
//! [`machine`](crate::machine) comes here when a point is armed on this CPU, with the operation
//! that is about to happen, and does with it what the [`Verdict`] says.

pub mod pass;

pub use pass::{note, note_with, record};

use crate::{channel, faults, park};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use evidence::Event;
use hw::percpu;
use hw::sync::IrqLock;
use shootdown::{CpuSet, Destination, MAX_CPUS, Point, Request};

/// The operation whose point is passed.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// One without operands: pin, wait, done, notice, return.
    Plain,
    /// The word at `word` is about to be written.
    Store {
        /// Its address.
        word: usize,
        /// What is to be written.
        value: u64,
    },
    /// The word at `word` has been read.
    Load {
        /// Its address.
        word: usize,
        /// What was read.
        value: u64,
    },
    /// The shootdown interrupt is about to be sent.
    Send(Destination),
    /// A request is about to be performed on this CPU.
    Invalidate(&'a Request),
    /// Page-table entries are about to change. See [`Event::Point`] for the operands.
    Pte(u64, u64),
}

/// What the machine does about the operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// What was asked.
    Go,
    /// Nothing. A scan that found a request finds none; a wait is over.
    Skip,
    /// A store, of this value instead.
    Store(u64),
    /// An invalidation, of this instead.
    Invalidate(Request),
}

/// The points at which every CPU records, and [`percpu::TRACED`]: all bits or none.
static TRACED: AtomicU32 = AtomicU32::new(0);
/// The points at which faults are armed, and those at which a CPU may be parked.
static FAULTY: AtomicU32 = AtomicU32::new(0);
static BREAKS: AtomicU32 = AtomicU32::new(0);
/// The points at which a debugger wants CPUs to come to [`reached`]: only it changes this.
pub static DEBUGGED: AtomicU32 = AtomicU32::new(0);
/// Who changes what is armed sees every change made before: the last one counts.
static ARMING: IrqLock<()> = IrqLock::new(());

/// Whether CPUs record what they do.
#[inline(always)]
pub fn tracing() -> bool {
    TRACED.load(Relaxed) != 0
}

/// Has every CPU record what it does from now on, or no longer.
pub fn set_tracing(on: bool) {
    TRACED.store(if on { u32::MAX } else { 0 }, Relaxed);
    arm();
}

/// Takes notice of what [`faults::armed`], [`park::armed`] and
/// [`channel::lossless`] say now: to be called by whoever changes that.
pub fn arm() {
    let _one = ARMING.lock();
    let (faulty, breaks) = (faults::armed(), park::armed());
    FAULTY.store(faulty, Relaxed);
    BREAKS.store(breaks, Relaxed);
    let debugged = DEBUGGED.load(Relaxed);
    let bits = TRACED.load(Relaxed) | faulty | breaks | debugged;
    let attentive = faulty | breaks | debugged != 0 || channel::lossless();
    // Also those that are still to start.
    for cpu in CpuSet::first(MAX_CPUS) {
        percpu::of(cpu).arm(bits, attentive);
    }
}

/// From now on every CPU only counts: the machine is about to end. Waits for no lock.
pub fn disarm() {
    for cpu in CpuSet::first(MAX_CPUS) {
        percpu::of(cpu).arm(0, false);
    }
}

/// A page operand of a record: the page of `address`, and a number below 4096.
pub fn page_operand(address: u64, number: u64) -> u64 {
    (address & !0xfff) | (number & 0xfff)
}

/// The operands under which a request is recorded.
pub fn request_operands(request: &Request) -> (u64, u64) {
    (
        page_operand(request.start(), request.operation() as u64),
        page_operand(request.end(), u64::from(request.space_id().0)),
    )
}

fn operands(operation: &Operation<'_>) -> (u64, u64) {
    match *operation {
        Operation::Plain => (0, 0),
        Operation::Store { word, value } | Operation::Load { word, value } => (word as u64, value),
        Operation::Send(to) => pass::send_operands(to),
        Operation::Invalidate(request) => request_operands(request),
        Operation::Pte(a, b) => (a, b),
    }
}

/// This CPU has reached an armed point, at which more may be done than to record.
#[cold]
fn reached(point: Point, operation: &Operation<'_>) -> Verdict {
    let bit = 1 << point as u32;
    if TRACED.load(Relaxed) & bit != 0 {
        let (a, b) = operands(operation);
        pass::record_all(Event::Point(point).code(), a, b);
    }
    // A CPU is parked before anything goes wrong there.
    if BREAKS.load(Relaxed) & bit != 0 {
        park::reached(point, operation);
    }
    if FAULTY.load(Relaxed) & bit != 0 {
        return faults::reached(point, operation);
    }
    Verdict::Go
}
