//! Kernel threads: per-CPU run queues, preemption by the timer, migration, pinning.
//!
//! A thread runs on one CPU until it blocks, yields or its time is up. It is moved to another CPU
//! only when it is put back into a queue, is not pinned, and the other has less to do. A thread
//! waits in the queue of one CPU, and only that CPU takes it out.

mod loan;
mod queue;
mod table;
mod timeslice;

use crate::points;
use crate::space::Space;
use crate::syscall::Outcome;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use evidence::Kind;
use hw::context::{self, Context, Leave};
use hw::interrupts::Off;
use hw::percpu::{self, Counter};
use hw::sync::IrqLock;
use shootdown::{CpuId, CpuSet};
use state::*;

pub use loan::{
    adopt_shell, float, is_free, is_shell, lend, rescue, shield_shell, wake_dozers, wake_shell,
};
pub use queue::load;
pub use table::{MAX_THREADS, View, views, write_name};
pub use timeslice::{contend, tick};

/// The states of a thread.
mod state {
    /// Nobody's.
    pub const FREE: u32 = 0;
    /// Being set up.
    pub const CLAIMED: u32 = 1;
    /// In a queue, or on its way into one.
    pub const READY: u32 = 2;
    /// On a CPU.
    pub const RUNNING: u32 = 3;
    /// Waiting for [`unpark`](super::unpark).
    pub const PARKED: u32 = 4;
}

/// The pages of a thread's kernel stack.
const STACK_PAGES: u64 = 16;

/// What a thread does.
enum Body {
    /// Runs kernel code, then ends.
    Kernel(Box<dyn FnOnce() + Send>),
    /// Goes to ring 3, and ends when that does.
    User(UserStart),
}

/// Where a thread enters ring 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserStart {
    /// The first instruction.
    pub rip: u64,
    /// The stack pointer.
    pub rsp: u64,
    /// What RDI holds.
    pub argument: u64,
}

/// Called with how a ring-3 thread ended.
type OnExit = Box<dyn FnOnce(Outcome) + Send>;

/// What only its creator and the thread itself touch.
struct Work {
    name: String,
    body: Option<Body>,
    space: Option<Arc<Space>>,
    on_exit: Option<OnExit>,
}

impl Work {
    const NONE: Work = Work {
        name: String::new(),
        body: None,
        space: None,
        on_exit: None,
    };
}

/// One entry of the thread table.
pub(crate) struct Thread {
    context: Context,
    state: AtomicU32,
    /// An [`unpark`] that came before the [`park`].
    token: AtomicBool,
    cpu: AtomicU32,
    affinity: AtomicU64,
    pins: AtomicU32,
    idle: AtomicBool,
    /// Whether it runs wherever it can while CPUs are parked; see [`float`].
    floats: AtomicBool,
    next: AtomicU32,
    switches: AtomicU64,
    /// Orders parking against unparking.
    parking: IrqLock<()>,
    work: IrqLock<Work>,
}

use table::THREADS;

/// No thread could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoThread;

impl core::fmt::Display for NoThread {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "no thread is free (at most {MAX_THREADS}), or no memory for its stack"
        )
    }
}

/// The running thread's number in the table.
pub fn current() -> usize {
    percpu::thread()
}

fn this() -> &'static Thread {
    &THREADS[percpu::thread() % MAX_THREADS]
}

/// The name of the running thread.
pub fn name() -> String {
    this().work.lock().name.clone()
}

/// The address space of the running thread, if it has one.
pub fn space() -> Option<Arc<Space>> {
    this().work.lock().space.clone()
}

/// Makes the code that runs now this CPU's idle thread. Once for each CPU, interrupts off.
pub fn adopt_idle(name: String) {
    let index = table::claim().expect("a thread for each CPU");
    let thread = &THREADS[index];
    let cpu = percpu::cpu();
    thread.context.adopt();
    thread.idle.store(true, Relaxed);
    thread.affinity.store(CpuSet::only(cpu).bits(), Relaxed);
    thread.cpu.store(cpu.index() as u32, Relaxed);
    thread.work.lock().name = name;
    thread.state.store(RUNNING, Release);
    percpu::set_thread(index);
    queue::set_idle(cpu, index);
}

/// What the idle thread does for ever: runs what is ready, else halts.
pub fn idle() -> ! {
    loop {
        hw::interrupts::disable();
        if queue::is_empty(percpu::cpu()) {
            timeslice::stop();
            crate::channel::pause();
            hw::interrupts::wait();
        } else {
            schedule(RUNNING);
            hw::interrupts::enable();
        }
    }
}

/// Makes a thread that calls `body`, on one of the CPUs of `affinity`, in `space`, and ends when
/// it returns. It begins on the one with the least to do.
///
/// # Errors
/// [`NoThread`] if the table is full or memory is used up.
///
/// # Panics
/// If no CPU of `affinity` runs.
pub fn spawn(
    name: impl Into<String>,
    affinity: CpuSet,
    space: Option<Arc<Space>>,
    body: impl FnOnce() + Send + 'static,
) -> Result<usize, NoThread> {
    let body = Some(Body::Kernel(Box::new(body)));
    launch(
        affinity,
        Work {
            name: name.into(),
            body,
            space,
            on_exit: None,
        },
    )
}

/// Makes a thread that enters ring 3 at `start`, in `space`; as [`spawn`] otherwise. `on_exit` is
/// called with how it ended, on that thread, in the kernel.
///
/// # Errors
/// [`NoThread`].
pub fn spawn_user(
    name: impl Into<String>,
    affinity: CpuSet,
    space: Arc<Space>,
    start: UserStart,
    on_exit: impl FnOnce(Outcome) + Send + 'static,
) -> Result<usize, NoThread> {
    let on_exit: OnExit = Box::new(on_exit);
    let work = Work {
        name: name.into(),
        body: Some(Body::User(start)),
        space: Some(space),
        on_exit: Some(on_exit),
    };
    launch(affinity, work)
}

fn launch(affinity: CpuSet, work: Work) -> Result<usize, NoThread> {
    let index = table::claim().ok_or(NoThread)?;
    let thread = &THREADS[index];
    *thread.work.lock() = work;
    thread.affinity.store(affinity.bits(), Relaxed);
    thread.pins.store(0, Relaxed);
    thread.token.store(false, Relaxed);
    thread.floats.store(false, Relaxed);
    if !thread.context.prepare(STACK_PAGES, begin, index) {
        *thread.work.lock() = Work::NONE;
        table::release(index);
        return Err(NoThread);
    }
    let cpu = queue::least_loaded(affinity).expect("spawn: no CPU of the affinity runs");
    thread.cpu.store(cpu.index() as u32, Relaxed);
    thread.state.store(READY, Release);
    queue::push(cpu, index);
    Ok(index)
}

/// The first code of every spawned thread.
fn begin(index: usize) -> ! {
    arrive();
    hw::interrupts::enable();
    let body = THREADS[index].work.lock().body.take();
    match body {
        Some(Body::Kernel(body)) => body(),
        Some(Body::User(start)) => context::enter_user(start.rip, start.rsp, start.argument),
        None => {}
    }
    exit()
}

/// Ends the running ring-3 thread, telling its creator how.
pub fn exit_user(outcome: Outcome) -> ! {
    let on_exit = this().work.lock().on_exit.take();
    if let Some(on_exit) = on_exit {
        on_exit(outcome);
    }
    exit()
}

/// Ends the running thread.
pub fn exit() -> ! {
    // Out of the lock before it is dropped: that may free memory.
    let work = core::mem::replace(&mut *this().work.lock(), Work::NONE);
    // The space lives on while this CPU still uses its tables: the table of spaces holds it.
    drop(work);
    hw::interrupts::disable();
    schedule(FREE);
    unreachable!("an ended thread was resumed")
}

/// Lets other threads of this CPU run, or moves on to a CPU with less to do.
pub fn yield_now() {
    let _off = Off::new();
    schedule(READY);
}

/// Sleeps until [`unpark`] is called for this thread; returns at once if it was called since the
/// last time. May return for no reason: check what was waited for.
pub fn park() {
    let _off = Off::new();
    sleep();
}

/// Sleeps until [`unpark`]; with interrupts off.
fn sleep() {
    let thread = this();
    {
        let _parking = thread.parking.lock();
        if thread.token.swap(false, AcqRel) {
            return;
        }
        thread.state.store(PARKED, Release);
    }
    schedule(PARKED);
}

/// Wakes the thread numbered `index`, or spares it its next [`park`].
pub fn unpark(index: usize) {
    let thread = &THREADS[index % MAX_THREADS];
    let _parking = thread.parking.lock();
    if thread
        .state
        .compare_exchange(PARKED, READY, AcqRel, Acquire)
        .is_ok()
    {
        // In the queue of the CPU it was on: it may not have left its stack there yet.
        let cpu = loan::home_of(index).unwrap_or_else(|| cpu_of(thread));
        queue_at(cpu, index);
    } else {
        thread.token.store(true, Release);
    }
}

/// Waits a little for something that another CPU does: runs other threads, else halts until the
/// next interrupt, a timer tick at the latest.
pub fn doze() {
    let _off = Off::new();
    if loan::sleeps_aside() {
        loan::doze_aside();
    } else if queue::is_empty(percpu::cpu()) {
        timeslice::start();
        crate::channel::pause();
        hw::interrupts::wait();
        hw::interrupts::disable();
    } else {
        schedule(READY);
    }
}

/// Keeps the running thread on its CPU until the matching [`unpin`]. Nests.
#[inline(always)]
pub fn pin() {
    let pins = &this().pins;
    // Only the thread itself writes its count.
    pins.store(pins.load(Relaxed) + 1, Relaxed);
}

/// Undoes one [`pin`].
#[inline(always)]
pub fn unpin() {
    let pins = &this().pins;
    pins.store(pins.load(Relaxed) - 1, Relaxed);
}

/// Has the running thread go on on `cpu` at once, whatever keeps it here: pins, and critical
/// sections, which it is in there as deep as it was here. For a fault: what it has read of this
/// CPU's own is another CPU's from then on. With interrupts on.
pub fn carry_off(cpu: CpuId) {
    let thread = this();
    let depth = percpu::of(percpu::cpu()).critical_depth();
    let pins = thread.pins.swap(0, Relaxed);
    let affinity = thread.affinity.swap(CpuSet::only(cpu).bits(), Relaxed);
    for _ in 0..depth {
        hw::sync::leave_critical();
    }
    while percpu::cpu() != cpu && crate::machine::online().contains(cpu) {
        yield_now();
    }
    for _ in 0..depth {
        percpu::enter_critical();
    }
    thread.affinity.store(affinity, Relaxed);
    thread.pins.store(pins, Relaxed);
}

/// Performs a preemption that is due, unless the running thread is in a critical section: then it
/// is owed. At the end of an interrupt, with interrupts off.
pub fn preempt_if_due() {
    if percpu::owed() && !percpu::in_critical() {
        schedule(READY);
    }
}

/// Performs the preemption that came due inside the critical section just left.
pub fn pay_owed() {
    let _off = Off::new();
    preempt_if_due();
}

/// Queues the thread numbered `index`, which is ready, on `cpu`.
fn queue_at(cpu: CpuId, index: usize) {
    THREADS[index].cpu.store(cpu.index() as u32, Relaxed);
    queue::push(cpu, index);
}

fn cpu_of(thread: &Thread) -> CpuId {
    CpuId::new(thread.cpu.load(Relaxed) as usize).expect("set from a CpuId")
}

/// Where a thread that can run goes on: where it is, unless it may leave and another CPU of its
/// affinity has clearly less to do.
fn destination(thread: &Thread, here: CpuId) -> CpuId {
    if thread.pins.load(Relaxed) > 0 {
        return here;
    }
    if let Some(home) = loan::home_of(current()) {
        return home;
    }
    let affinity = CpuSet::from_bits(thread.affinity.load(Relaxed));
    let best = queue::least_loaded(affinity).unwrap_or(here);
    if affinity.contains(here) && queue::load(best) + 1 >= queue::load(here) {
        here
    } else {
        best
    }
}

/// Leaves the running thread in `state` and runs the next one of this CPU; if the CPU is on loan, the
/// one that lent it. With interrupts off.
fn schedule(state: u32) {
    if let Some(lender) = loan::lender() {
        return loan::give_back(lender, state);
    }
    assert!(
        !percpu::in_critical(),
        "CPU {}: thread {} blocks in a critical section",
        percpu::cpu(),
        current()
    );
    percpu::set_owed(false);
    let here = percpu::cpu();
    let index = current();
    let thread = this();
    let mut handoff = None;
    if state == READY && !thread.idle.load(Relaxed) {
        thread.state.store(READY, Release);
        match destination(thread, here) {
            cpu if cpu == here => queue::push_here(here, index),
            cpu => handoff = Some(cpu),
        }
    }
    let next_index = queue::pop(here);
    if next_index == index {
        thread.state.store(RUNNING, Release);
        return;
    }
    let next = &THREADS[next_index];
    next.state.store(RUNNING, Release);
    next.cpu.store(here.index() as u32, Relaxed);
    next.switches
        .store(next.switches.load(Relaxed) + 1, Relaxed);
    percpu::count(Counter::Switches, 1);
    timeslice::begin(here, next.idle.load(Relaxed));
    percpu::set_thread(next_index);
    queue::set_running(here, !next.idle.load(Relaxed));
    let leave = if state == FREE {
        Leave::End
    } else {
        Leave::Suspend
    };
    queue::set_handoff(here, handoff.map(|cpu| (index, cpu)));
    if state == FREE {
        table::release(index);
    }
    context::switch(&thread.context, &next.context, leave);
    arrive();
}

/// The first thing that a thread does which was switched to, on its own stack. With interrupts off.
fn arrive() {
    queue::finish_handoff();
    loan::shield();
    enter_space();
    points::note(Kind::Switch, current() as u64, u64::from(percpu::space()));
}

/// The CPUs whose running thread has no space, so that the tables they use are a predecessor's. Each CPU
/// changes its own bit, with interrupts off, and asks for no other.
static LAZY: AtomicU64 = AtomicU64::new(0);

/// Whether the thread that runs on this CPU has no space. With interrupts off. Takes no lock: for handlers.
pub fn is_lazy() -> bool {
    CpuSet::from_bits(LAZY.load(Relaxed)).contains(percpu::cpu())
}

/// Loads the running thread's space, if it has one that is not loaded. A thread without a space
/// goes on with its predecessor's: kernel mappings are the same in all, and that CPU stays in the
/// predecessor's active set.
fn enter_space() {
    let me = CpuSet::only(percpu::cpu());
    // Not under the lock: a CPU may be parked as it enters a space.
    let space = match &this().work.lock().space {
        None => {
            LAZY.fetch_or(me.bits(), Relaxed);
            return;
        }
        Some(space) => {
            LAZY.fetch_and(!me.bits(), Relaxed);
            if space.id().0 == percpu::space() {
                return;
            }
            space.clone()
        }
    };
    crate::space::switch_to(&space);
}
