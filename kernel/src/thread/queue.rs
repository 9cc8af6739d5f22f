//! The CPUs' run queues, and how a thread gets from one CPU to another.

use super::table::THREADS;
use crate::{machine, park};
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use hw::percpu;
use hw::sync::IrqLock;
use shootdown::{CpuId, CpuSet, MAX_CPUS};

/// No thread.
const NONE: u32 = u32::MAX;

/// Threads that are ready, first come first served, linked through their `next`.
struct Queue {
    first: u32,
    last: u32,
}

static QUEUES: [IrqLock<Queue>; MAX_CPUS] = [const {
    IrqLock::new(Queue {
        first: NONE,
        last: NONE,
    })
}; MAX_CPUS];
/// How many threads are queued.
static LENGTHS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];
/// Whether something other than the idle thread runs.
static BUSY: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];
static IDLE: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(NONE) }; MAX_CPUS];
/// A thread that this CPU is leaving for another CPU's queue: thread in the low half, CPU in the
/// high. It is queued there only when its stack is free, or two CPUs that swap threads would wait
/// for each other's stacks.
static HANDOFFS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(u64::MAX) }; MAX_CPUS];

pub(super) fn set_idle(cpu: CpuId, index: usize) {
    IDLE[cpu.index()].store(index as u32, Release);
}

pub(super) fn set_running(cpu: CpuId, busy: bool) {
    BUSY[cpu.index()].store(busy, Relaxed);
}

/// Whether `cpu` runs something other than its idle thread.
pub(super) fn is_busy(cpu: CpuId) -> bool {
    BUSY[cpu.index()].load(Relaxed)
}

/// How many threads `cpu` has to run, the one it runs included.
pub fn load(cpu: CpuId) -> u32 {
    LENGTHS[cpu.index()].load(Relaxed) + u32::from(BUSY[cpu.index()].load(Relaxed))
}

/// The CPU of `affinity` that has the least to do; the lowest of several. A parked one only if there
/// is no other.
pub(super) fn least_loaded(affinity: CpuSet) -> Option<CpuId> {
    let online = affinity.and(machine::online());
    let free = online.minus(park::parked());
    (if free.is_empty() { online } else { free })
        .into_iter()
        .min_by_key(|&cpu| load(cpu))
}

pub(super) fn is_empty(cpu: CpuId) -> bool {
    LENGTHS[cpu.index()].load(Acquire) == 0
}

/// Queues a thread on `cpu` and sees to it that the CPU notices.
pub(super) fn push(cpu: CpuId, index: usize) {
    push_here(cpu, index);
    let _off = hw::interrupts::Off::new();
    if cpu == percpu::cpu() {
        super::contend();
    } else {
        machine::send_reschedule(cpu);
    }
}

/// Queues a thread on `cpu`, which looks at its queue anyway.
pub(super) fn push_here(cpu: CpuId, index: usize) {
    THREADS[index].next.store(NONE, Relaxed);
    let mut queue = QUEUES[cpu.index()].lock();
    match queue.last {
        NONE => queue.first = index as u32,
        last => THREADS[last as usize].next.store(index as u32, Relaxed),
    }
    queue.last = index as u32;
    LENGTHS[cpu.index()].fetch_add(1, Release);
}

/// The next thread for `cpu`: the first of its queue, else its idle thread.
pub(super) fn pop(cpu: CpuId) -> usize {
    let mut queue = QUEUES[cpu.index()].lock();
    if queue.first == NONE {
        return IDLE[cpu.index()].load(Acquire) as usize;
    }
    let index = queue.first;
    queue.first = THREADS[index as usize].next.load(Relaxed);
    if queue.first == NONE {
        queue.last = NONE;
    }
    LENGTHS[cpu.index()].fetch_sub(1, Release);
    index as usize
}

/// Takes the thread numbered `index` out of the queue of `cpu`, wherever it stands there. Returns
/// whether it was in it. For the shell's thread, which CPUs that are parked take.
pub(super) fn take(cpu: CpuId, index: usize) -> bool {
    let mut queue = QUEUES[cpu.index()].lock();
    let index = index as u32;
    let (mut before, mut at) = (NONE, queue.first);
    while at != NONE && at != index {
        (before, at) = (at, THREADS[at as usize].next.load(Relaxed));
    }
    if at == NONE {
        return false;
    }
    let after = THREADS[at as usize].next.load(Relaxed);
    match before {
        NONE => queue.first = after,
        before => THREADS[before as usize].next.store(after, Relaxed),
    }
    if queue.last == index {
        queue.last = before;
    }
    LENGTHS[cpu.index()].fetch_sub(1, Release);
    true
}

pub(super) fn set_handoff(cpu: CpuId, handoff: Option<(usize, CpuId)>) {
    let word = handoff.map_or(u64::MAX, |(index, to)| {
        (to.index() as u64) << 32 | index as u64
    });
    HANDOFFS[cpu.index()].store(word, Relaxed);
}

/// Queues the thread that this CPU has just left for another, if it did. With interrupts off.
pub(super) fn finish_handoff() {
    let handoff = &HANDOFFS[percpu::cpu().index()];
    let word = handoff.load(Relaxed);
    if word == u64::MAX {
        return;
    }
    handoff.store(u64::MAX, Relaxed);
    if let Some(to) = CpuId::new((word >> 32) as usize) {
        push(to, word as u32 as usize);
    }
}
