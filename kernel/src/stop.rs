//! Standing CPUs: those that a debugger or the shell has stopped, and how they run on.
//!
//! A stopped CPU takes no interrupt and runs no thread. Nobody waits for it: the seam's
//! [`online`](shootdown::Machine::online) leaves it out of shootdowns, notes that, and the CPU then
//! flushes everything before it runs on (I15). Which of the two orders a shootdown and a resuming
//! CPU meet in does not matter: one of them sees the other (as in I8).
//!
//! There are two ways to stop. The debugger's, here, is by NMI: at any instruction, in handlers,
//! with locks held. A shootdown that waits for a CPU stopped that way waits until it runs on. The
//! shell's is in [`rest`]: between threads, with nothing owed to anybody.

pub mod rest;

use crate::machine::{self, Kernel};
use crate::points;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
};
use evidence::Kind;
use hw::debug::Special;
use hw::debug::memory::Probed;
use hw::entry::Frame;
use hw::sync::IrqLock;
use hw::{apic, clock, percpu};
use shootdown::{CpuId, CpuSet, MAX_CPUS, Tlb};

pub use rest::{Flush, bring_to_rest, resume};

/// The CPUs that are to stand still, by NMI.
static WANTED: AtomicU64 = AtomicU64::new(0);
/// Those that do.
static STANDING: AtomicU64 = AtomicU64::new(0);
/// Those that a shootdown did not ask because they were stopped, and that have not flushed since.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
/// The CPU that stops the others and talks to the debugger, plus one.
static LEADER: AtomicU32 = AtomicU32::new(0);
/// What the standing CPUs were doing, and will go on with.
static STATES: [IrqLock<Option<State>>; MAX_CPUS] = [const { IrqLock::new(None) }; MAX_CPUS];

/// How long a CPU may take to stop, in microseconds: none that takes NMIs needs a thousandth.
const PATIENCE_US: u64 = 1_000_000;

/// The registers of a standing CPU.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// What it resumes with.
    pub frame: Frame,
    /// The rest, as it was when the CPU stopped.
    pub special: Special,
}

/// The CPUs that stand still, whoever stopped them.
pub fn stopped() -> CpuSet {
    standing().or(rest::resting())
}

/// Those that stand still by NMI.
pub fn standing() -> CpuSet {
    CpuSet::from_bits(STANDING.load(Acquire))
}

/// Whether this CPU is to stand still.
pub fn wanted() -> bool {
    WANTED.load(SeqCst) & mine() != 0
}

fn mine() -> u64 {
    CpuSet::only(percpu::cpu()).bits()
}

/// Notes that a shootdown does not ask `cpus`, since they are stopped: they flush before they run
/// on. For the seam, which then looks again who is stopped.
#[cold]
pub fn leave_out(cpus: CpuSet) {
    LEFT_OUT.fetch_or(cpus.bits(), SeqCst);
}

/// Whether a shootdown left `cpu` out since it last flushed.
pub fn was_left_out(cpu: CpuId) -> bool {
    CpuSet::from_bits(LEFT_OUT.load(Acquire)).contains(cpu)
}

/// Has this CPU flush what it missed. After others see again that it runs.
fn catch_up() {
    if LEFT_OUT.fetch_and(!mine(), SeqCst) & mine() != 0 {
        Kernel.flush_global();
    }
}

/// `cpu` runs on without the flush that it owes.
fn forget_left_out(cpu: CpuId) {
    LEFT_OUT.fetch_and(!CpuSet::only(cpu).bits(), SeqCst);
}

/// Whether nobody leads; then this CPU does from now on.
pub fn try_lead() -> bool {
    let me = percpu::cpu().index() as u32 + 1;
    LEADER.compare_exchange(0, me, AcqRel, Acquire).is_ok()
}

/// Whether this CPU leads.
pub fn leading() -> bool {
    LEADER.load(Acquire) == percpu::cpu().index() as u32 + 1
}

/// Leads no more.
pub fn stop_leading() {
    LEADER.store(0, Release);
}

/// What a standing CPU saved.
pub fn state(cpu: CpuId) -> Option<State> {
    if standing().contains(cpu) {
        *STATES[cpu.index()].lock()
    } else {
        None
    }
}

/// Changes what a standing CPU resumes with, and returns whether it stands. By the leader.
pub fn change(cpu: CpuId, change: impl FnOnce(&mut Frame)) -> bool {
    if !standing().contains(cpu) {
        return false;
    }
    if let Some(state) = STATES[cpu.index()].lock().as_mut() {
        change(&mut state.frame);
    }
    true
}

/// Stops every other CPU, wherever it is. By the leader, who stands already.
///
/// Returns those that did not stop within a second.
pub fn stop_others() -> CpuSet {
    let me = percpu::cpu();
    let others = machine::started().without(me);
    WANTED.fetch_or(others.bits(), SeqCst);
    apic::undisturbed(|| {
        for cpu in others.minus(standing()) {
            // One that cannot be reached shows among those that did not stop.
            let _ = apic::send_nmi(hw::ap::apic_id(cpu));
        }
    });
    let start = clock::raw();
    while !others.minus(standing()).is_empty() {
        if clock::to_us(clock::raw().saturating_sub(start)) > PATIENCE_US {
            let silent = others.minus(standing());
            WANTED.fetch_and(!silent.bits(), SeqCst);
            return silent;
        }
        spin_loop();
    }
    CpuSet::EMPTY
}

/// Has the standing CPUs of `cpus` run on; the leader's own is noted, and the others have left
/// when this returns. By the leader.
pub fn release(cpus: CpuSet) {
    WANTED.fetch_and(!cpus.bits(), SeqCst);
    let others = cpus.without(percpu::cpu()).bits();
    while STANDING.load(Acquire) & others != 0 {
        spin_loop();
    }
}

/// Stands still until this CPU is no more wanted to, then runs on as [`change`] left it. With
/// interrupts off, from the debugger's hooks. `idle` is called over and over meanwhile; at the
/// first time everything about this CPU can be seen.
pub fn stand(frame: &mut Frame, mut idle: impl FnMut()) {
    let me = percpu::cpu();
    *STATES[me.index()].lock() = Some(State {
        frame: *frame,
        special: Special::read(frame),
    });
    // Before a shootdown leaves this CPU out.
    points::note(Kind::Stop, 0, 0);
    let answered = machine::answer_no_more(me);
    WANTED.fetch_or(mine(), SeqCst);
    STANDING.fetch_or(mine(), SeqCst);
    while wanted() {
        idle();
        run_errand(me);
        spin_loop();
    }
    if answered {
        machine::answer_again(me);
        catch_up();
    }
    points::note(Kind::Resume, 0, 0);
    if let Some(state) = STATES[me.index()].lock().take() {
        *frame = state.frame;
    }
    STANDING.fetch_and(!mine(), SeqCst);
}

/// Has a standing CPU do `work` with `argument`, and waits for what comes of it. By the leader. `work`
/// waits for nothing.
pub fn have(cpu: CpuId, work: fn(u64) -> Option<Probed>, argument: u64) -> Option<Probed> {
    if cpu == percpu::cpu() {
        return work(argument);
    }
    if !standing().contains(cpu) {
        return None;
    }
    let errand = &ERRANDS[cpu.index()];
    *errand.lock() = Some(Errand::Asked(work, argument));
    loop {
        let state = *errand.lock();
        if let Some(Errand::Done(result)) = state {
            return result;
        }
        spin_loop();
    }
}

/// What a standing CPU is asked to do, then what came of it.
#[derive(Clone, Copy)]
enum Errand {
    Asked(fn(u64) -> Option<Probed>, u64),
    Done(Option<Probed>),
}

static ERRANDS: [IrqLock<Option<Errand>>; MAX_CPUS] = [const { IrqLock::new(None) }; MAX_CPUS];

fn run_errand(cpu: CpuId) {
    let mut errand = ERRANDS[cpu.index()].lock();
    if let Some(Errand::Asked(work, argument)) = *errand {
        *errand = Some(Errand::Done(work(argument)));
    }
}

/// Whether this CPU is the lowest of those that stand, and nobody leads.
pub fn is_sentry() -> bool {
    LEADER.load(Relaxed) == 0 && standing().lowest() == Some(percpu::cpu())
}
