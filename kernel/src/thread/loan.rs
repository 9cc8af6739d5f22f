//! The shell's thread, which must run while CPUs are parked at points, whichever they are.
//!
//! It runs on CPU 0; if that is parked, or waits for a parked one, on another that is not. If there
//! is none, the first parked CPU takes it out of its queue and lends itself: the thread that is
//! parked stays what that CPU is about, on its own stack, perhaps in an interrupt handler, and goes
//! on standing as soon as the shell sleeps. No other thread runs there. It is the last resort, since
//! whatever runs there may cost that CPU the translations that somebody wants to look at.
//!
//! Parking a CPU while the shell's thread runs on it would leave the shell under what is parked. So
//! while CPUs may be parked, fixed interrupts are held back wherever the shell runs, it is put aside
//! when it waits, and it makes no shootdowns itself.

use super::state::{PARKED, READY, RUNNING};
use super::table::THREADS;
use super::{cpu_of, current, queue, queue_at, sleep, timeslice, unpark};
use crate::{machine, park, points};
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use evidence::Kind;
use hw::context::{self, Leave};
use hw::interrupts::{self, Off};
use hw::percpu;
use shootdown::{CpuId, MAX_CPUS};

/// Where the shell's thread runs when nothing is parked.
const HOME: CpuId = CpuId::BOOT;
/// How many looks of a parked CPU the shell's thread may wait for a CPU that seems free to take it.
const LOOKS: u32 = 5_000;

/// No thread.
const NONE: usize = usize::MAX;

/// The shell's thread.
static SHELL: AtomicUsize = AtomicUsize::new(NONE);
/// The thread whose parked CPU the shell's thread runs on, for each CPU.
static LENDERS: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(NONE) }; MAX_CPUS];
/// Whether fixed interrupts are held back on a CPU.
static SHIELDED: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];
/// How often parked CPUs have looked at it since it was ready.
static LOOKED: AtomicU32 = AtomicU32::new(0);
/// The threads that sleep only until the next tick, and how many there are.
static DOZERS: [AtomicUsize; 16] = [const { AtomicUsize::new(NONE) }; 16];
static DOZING: AtomicU32 = AtomicU32::new(0);

/// Makes the running thread the shell's. Once.
pub fn adopt_shell() {
    float();
    SHELL.store(current(), Release);
}

/// Lets the running thread run on any CPU that is free while CPUs are parked, whatever its affinity.
pub fn float() {
    THREADS[current()].floats.store(true, Relaxed);
}

/// Whether the running thread is the shell's.
pub fn is_shell() -> bool {
    current() == SHELL.load(Acquire)
}

/// Holds fixed interrupts back on this CPU just while the shell's thread runs and CPUs may be
/// parked. With interrupts off.
pub(super) fn shield() {
    let wanted = is_shell() && (park::engaged() || lender().is_some());
    if SHIELDED[percpu::cpu().index()].swap(wanted, Relaxed) != wanted {
        interrupts::hold_back_fixed(wanted);
    }
}

/// Takes notice, on the shell's thread, of what [`park::engaged`] says now.
pub fn shield_shell() {
    let _off = Off::new();
    shield();
}

/// The thread that has lent this CPU to the running one. With interrupts off.
pub(super) fn lender() -> Option<usize> {
    match LENDERS[percpu::cpu().index()].load(Relaxed) {
        NONE => None,
        lender => Some(lender),
    }
}

/// Whether `cpu` is likely to run what is queued there.
pub fn is_free(cpu: CpuId) -> bool {
    !park::parked().contains(cpu) && percpu::of(cpu).critical_depth() == 0
}

/// Where the thread numbered `index` is to run, if it floats.
pub(super) fn home_of(index: usize) -> Option<CpuId> {
    if !THREADS[index].floats.load(Relaxed) {
        return None;
    }
    let shell = index == SHELL.load(Relaxed);
    if shell {
        LOOKED.store(0, Relaxed);
    }
    if !park::engaged() {
        return shell.then_some(HOME);
    }
    if !shell && !park::parked().contains(cpu_of(&THREADS[index])) {
        return None;
    }
    // The lowest, which is CPU 0 if that is free.
    let free = machine::online().into_iter().find(|&cpu| is_free(cpu));
    free.or(shell.then_some(HOME))
}

/// Moves floating threads that are queued on parked CPUs to where they can run; the shell's also off one
/// that waits.
pub fn rescue() {
    for (index, thread) in THREADS.iter().enumerate() {
        let shell = index == SHELL.load(Relaxed);
        let cpu = cpu_of(thread);
        let stuck = thread.floats.load(Relaxed)
            && thread.state.load(Acquire) == READY
            && (park::parked().contains(cpu) || shell && !is_free(cpu));
        if stuck
            && let Some(home) = home_of(index)
            && queue::take(cpu, index)
        {
            queue_at(home, index);
        }
    }
}

/// Lends this CPU, which is parked, to the shell's thread until that sleeps or yields, if it is
/// ready and no other CPU takes it. On the first of the parked CPUs, with interrupts off, in a critical
/// section.
pub fn lend() {
    let index = SHELL.load(Acquire);
    let Some(shell) = THREADS.get(index) else {
        return;
    };
    if shell.state.load(Acquire) != READY || shell.pins.load(Relaxed) > 0 {
        return;
    }
    let queued_on = cpu_of(shell);
    let patient = LOOKED.fetch_add(1, Relaxed) < LOOKS;
    if patient && is_free(queued_on) || !queue::take(queued_on, index) {
        return;
    }
    let lender = current();
    LENDERS[percpu::cpu().index()].store(lender, Relaxed);
    shell.state.store(RUNNING, Release);
    percpu::set_thread(index);
    context::switch(&THREADS[lender].context, &shell.context, Leave::Suspend);
    shield();
    points::note(Kind::Switch, lender as u64, u64::from(percpu::space()));
}

/// Leaves the shell's thread in `state` and goes back to the thread that lent it this CPU. With
/// interrupts off.
pub(super) fn give_back(lender: usize, state: u32) {
    assert!(
        state == READY || state == PARKED,
        "the shell's thread has ended"
    );
    let index = current();
    let here = percpu::cpu();
    if state == READY {
        THREADS[index].state.store(READY, Release);
        queue_at(home_of(index).unwrap_or(HOME), index);
    }
    LENDERS[here.index()].store(NONE, Relaxed);
    percpu::set_thread(lender);
    // Nobody else resumes the lender, so this does not wait: no circle of CPUs that swap threads.
    context::switch(
        &THREADS[index].context,
        &THREADS[lender].context,
        Leave::Suspend,
    );
    super::arrive();
}

/// Whether the running thread does not halt this CPU while it waits: a floating one, whom an interrupt
/// that parks the CPU would keep from running elsewhere. With interrupts off.
pub(super) fn sleeps_aside() -> bool {
    park::engaged() && THREADS[current()].floats.load(Relaxed)
}

/// Sleeps until the next tick, an [`unpark`], or the next look of a parked CPU. With interrupts off.
pub(super) fn doze_aside() {
    let me = current();
    let free = |slot: &&AtomicUsize| slot.compare_exchange(NONE, me, AcqRel, Relaxed).is_ok();
    let Some(slot) = DOZERS.iter().find(free) else {
        // As many wait already: those that are ready go first.
        return super::schedule(READY);
    };
    DOZING.fetch_add(1, AcqRel);
    if lender().is_none() {
        timeslice::start();
    }
    sleep();
    slot.store(NONE, Release);
    DOZING.fetch_sub(1, AcqRel);
}

/// Whether a thread sleeps until the next tick.
pub(super) fn anybody_dozes() -> bool {
    DOZING.load(Relaxed) != 0
}

/// Wakes the threads that sleep until the next tick.
pub fn wake_dozers() {
    if !anybody_dozes() {
        return;
    }
    for slot in &DOZERS {
        match slot.load(Acquire) {
            NONE => {}
            index => unpark(index),
        }
    }
}

/// Wakes the shell's thread: something has happened that it waits for.
pub fn wake_shell() {
    let index = SHELL.load(Acquire);
    if index != NONE {
        unpark(index);
    }
}
