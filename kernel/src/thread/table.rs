//! The table of threads.

use super::state::{CLAIMED, FREE, PARKED, READY, RUNNING};
use super::{Thread, Work};
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use hw::context::Context;
use hw::sync::IrqLock;
use shootdown::CpuSet;

/// The most threads at a time, a CPU's idle thread included.
pub const MAX_THREADS: usize = 512;

pub(super) static THREADS: [Thread; MAX_THREADS] = [const {
    Thread {
        context: Context::new(),
        state: AtomicU32::new(FREE),
        token: AtomicBool::new(false),
        cpu: AtomicU32::new(0),
        affinity: AtomicU64::new(0),
        pins: AtomicU32::new(0),
        idle: AtomicBool::new(false),
        floats: AtomicBool::new(false),
        next: AtomicU32::new(0),
        switches: AtomicU64::new(0),
        parking: IrqLock::new(()),
        work: IrqLock::new(Work::NONE),
    }
}; MAX_THREADS];

/// Takes a free entry, one whose last thread has left its stack.
pub(super) fn claim() -> Option<usize> {
    THREADS.iter().position(|thread| {
        thread.context.is_empty()
            && thread
                .state
                .compare_exchange(FREE, CLAIMED, AcqRel, Acquire)
                .is_ok()
    })
}

/// Gives an entry back.
pub(super) fn release(index: usize) {
    THREADS[index].state.store(FREE, Release);
}

/// Writes the name of the thread numbered `index`; nothing, if somebody holds its lock at this moment,
/// who may be stopped.
pub fn write_name(index: usize, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
    match THREADS[index % MAX_THREADS].work.try_lock() {
        Some(work) => out.write_str(&work.name),
        None => write!(out, "thread {index}"),
    }
}

/// A thread as the shell shows it.
#[derive(Clone, Debug)]
pub struct View {
    /// Its number in the table.
    pub index: usize,
    /// What it was called when it was made.
    pub name: String,
    /// `ready`, `running` or `parked`.
    pub state: &'static str,
    /// Where it runs, or is queued, or last ran.
    pub cpu: u32,
    /// Where it may run.
    pub affinity: CpuSet,
    /// How many pins hold it where it is.
    pub pins: u32,
    /// The number of its address space, if it has one.
    pub space: Option<u32>,
    /// How often it was switched to.
    pub switches: u64,
    /// Its saved stack pointer while it is suspended.
    pub suspended_at: Option<u64>,
}

/// Every thread there is.
pub fn views() -> Vec<View> {
    THREADS
        .iter()
        .enumerate()
        .filter_map(|(index, thread)| view(index, thread))
        .collect()
}

fn view(index: usize, thread: &Thread) -> Option<View> {
    let state = match thread.state.load(Acquire) {
        READY => "ready",
        RUNNING => "running",
        PARKED => "parked",
        _ => return None,
    };
    let work = thread.work.lock();
    Some(View {
        index,
        name: work.name.clone(),
        state,
        cpu: thread.cpu.load(Relaxed),
        affinity: CpuSet::from_bits(thread.affinity.load(Relaxed)),
        pins: thread.pins.load(Relaxed),
        space: work.space.as_ref().map(|space| space.id().0),
        switches: thread.switches.load(Relaxed),
        suspended_at: thread.context.suspended_at(),
    })
}
