//! Having another CPU do something, and waiting for it: jobs by thread, tests by bare IPI.

use crate::machine::{self, TEST};
use crate::space::Space;
use crate::{console, park, protocols, stop, thread};
use alloc::string::String;
use alloc::sync::Arc;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use hw::percpu::{self, Counter};
use hw::sync::Lock;
use hw::{apic, clock};
use shootdown::{CpuId, CpuSet, Destination};

/// How long a job may take, in microseconds of the machine's time, before its caller goes on. Time in
/// which a CPU is parked does not count.
const PATIENCE_US: u64 = 60_000_000;
/// How long a CPU may take to begin one, unless it is in a critical section: then it waits for others
/// and gives up by itself some time. A hundred and more turns of every thread that is queued there.
const BEGIN_US: u64 = 3_000_000;

/// Why a job has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoResult {
    /// No thread could be made.
    NoThread,
    /// It did not end in time, or Ctrl-C was typed. It may still end later.
    Unfinished(CpuId),
    /// Its thread ended without one.
    Ended(CpuId),
    /// The CPU has not begun it: no interrupt gets through to it, or it runs one thread only.
    Silent(CpuId),
    /// The CPU is parked at a point: nothing was started.
    Parked(CpuId),
    /// The shell has stopped the CPU: nothing was started.
    Stopped(CpuId),
    /// The CPU is parked in another address space than the one that was to be looked at.
    Elsewhere(CpuId),
}

impl core::fmt::Display for NoResult {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            NoResult::NoThread => thread::NoThread.fmt(f),
            NoResult::Unfinished(cpu) => write!(f, "CPU {cpu} did not finish; it was left to it"),
            NoResult::Ended(cpu) => write!(f, "the job on CPU {cpu} ended without a result"),
            NoResult::Silent(cpu) => write!(
                f,
                "CPU {cpu} does not respond: interrupts are off there, or one was never ended (EOI)"
            ),
            NoResult::Stopped(cpu) => {
                write!(f, "CPU {cpu} is stopped: `resume {cpu}` lets it run on")
            }
            NoResult::Parked(cpu) => match park::where_is(*cpu) {
                Some(parked) => write!(f, "CPU {cpu} is parked at {}", parked.point),
                None => write!(f, "CPU {cpu} was parked"),
            },
            NoResult::Elsewhere(cpu) => write!(
                f,
                "CPU {cpu} is parked with the tables of address space {} loaded, not that one's",
                percpu::of(*cpu).current_space()
            ),
        }
    }
}

/// A job that was started.
#[derive(Debug)]
pub struct Job<T> {
    shared: Arc<Shared<T>>,
    cpu: CpuId,
}

#[derive(Debug)]
struct Shared<T> {
    begun: AtomicBool,
    done: AtomicBool,
    result: Lock<Option<T>>,
    waiter: usize,
}

/// Tells the waiter that the job is over, however it ends.
struct Finish<T>(Arc<Shared<T>>);

impl<T> Drop for Finish<T> {
    fn drop(&mut self) {
        self.0.done.store(true, Release);
        thread::unpark(self.0.waiter);
    }
}

/// Starts `work` in a thread of its own on `cpu`, in `space`.
///
/// # Errors
/// [`NoResult::NoThread`], [`NoResult::Parked`], [`NoResult::Stopped`].
pub fn start<T: Send + 'static>(
    name: impl Into<String>,
    cpu: CpuId,
    space: Option<Arc<Space>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Job<T>, NoResult> {
    if stop::stopped().contains(cpu) {
        return Err(NoResult::Stopped(cpu));
    }
    if park::parked().contains(cpu) {
        return Err(NoResult::Parked(cpu));
    }
    let shared = Arc::new(Shared {
        begun: AtomicBool::new(false),
        done: AtomicBool::new(false),
        result: Lock::new(None),
        waiter: thread::current(),
    });
    let finish = Finish(shared.clone());
    thread::spawn(name, CpuSet::only(cpu), space, move || {
        let finish = finish;
        finish.0.begun.store(true, Release);
        let result = work();
        *finish.0.result.lock() = Some(result);
    })
    .map_err(|_| NoResult::NoThread)?;
    Ok(Job { shared, cpu })
}

impl<T> Job<T> {
    /// Whether it is over.
    pub fn is_done(&self) -> bool {
        self.shared.done.load(Acquire)
    }

    /// Waits for it, and returns its result.
    ///
    /// # Errors
    /// [`NoResult`]: it takes longer than a minute, Ctrl-C was typed, it ended early, or the CPU does
    /// not begin it.
    pub fn wait(self) -> Result<T, NoResult> {
        self.wait_unless(console::interrupted)
    }

    /// Waits for it whatever is typed, and returns its result: for what must be in order before
    /// anything else is done.
    ///
    /// # Errors
    /// [`NoResult`]: it takes longer than a minute, it ended early, or the CPU does not begin it.
    pub fn finish(self) -> Result<T, NoResult> {
        self.wait_unless(|| false)
    }

    /// Whether its CPU has not begun it, and is not waiting for others.
    fn is_ignored(&self) -> bool {
        !self.shared.begun.load(Acquire)
            && percpu::of(self.cpu).critical_depth() == 0
            && protocols::outstanding(self.cpu).is_empty()
    }

    fn wait_unless(self, given_up: impl Fn() -> bool) -> Result<T, NoResult> {
        let begun = park::running_clock();
        while !self.is_done() {
            let waited = clock::to_us(park::running_clock().saturating_sub(begun));
            if waited > PATIENCE_US || given_up() {
                return Err(NoResult::Unfinished(self.cpu));
            }
            if waited > BEGIN_US && self.is_ignored() {
                return Err(NoResult::Silent(self.cpu));
            }
            thread::doze();
        }
        self.shared
            .result
            .lock()
            .take()
            .ok_or(NoResult::Ended(self.cpu))
    }
}

/// Has `cpu` do `work`, which only looks at what that CPU sees, in `space`, and waits for the result:
/// as [`run`], but a parked CPU does it as well, where it stands, if `space` is the one whose tables
/// it has loaded. `work` neither waits nor initiates.
///
/// # Errors
/// [`NoResult`].
pub fn look<T: Send + 'static>(
    name: &str,
    cpu: CpuId,
    space: Option<Arc<Space>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoResult> {
    if !park::parked().contains(cpu) {
        return run(name, cpu, space, work);
    }
    let loaded = percpu::of(cpu).current_space();
    if space.is_some_and(|space| space.id().0 != loaded) {
        return Err(NoResult::Elsewhere(cpu));
    }
    park::ask(cpu, work).ok_or(NoResult::Ended(cpu))
}

/// Has `cpu` do `work`, in `space`, and waits for the result.
///
/// # Errors
/// [`NoResult`].
pub fn run<T: Send + 'static>(
    name: &str,
    cpu: CpuId,
    space: Option<Arc<Space>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoResult> {
    start(name, cpu, space, work)?.wait()
}

/// Returns when every CPU has run a thread since: no CPU is any more in a critical section that it
/// was in before.
pub fn quiesce() {
    for cpu in machine::online() {
        // A CPU that does not answer holds up nothing that it has not begun itself.
        let _ = start("quiesce", cpu, None, || ()).and_then(Job::finish);
    }
}

/// The targets of the test under way that have not answered.
static AWAITED: AtomicU64 = AtomicU64::new(0);
/// One test at a time.
static TESTING: Lock<()> = Lock::new(());

/// A target's answer to a bare test interrupt. With interrupts off.
#[inline(always)]
pub fn answer_test() {
    AWAITED.fetch_and(!CpuSet::only(percpu::cpu()).bits(), AcqRel);
    percpu::count(Counter::TestIpis, 1);
    apic::eoi();
}

/// Sends a bare interrupt to `targets` and waits until all have answered: the floor under every
/// shootdown of the same targets. One at a time, and only with targets that do answer.
#[inline(always)]
pub fn bare_round_trip(targets: CpuSet) {
    send_test(targets);
    while AWAITED.load(Acquire) != 0 {
        spin_loop();
    }
}

#[inline(always)]
fn send_test(targets: CpuSet) {
    AWAITED.store(targets.bits(), Relaxed);
    let all = targets == machine::online().without(percpu::cpu());
    machine::send(
        if all {
            Destination::AllButSelf
        } else {
            Destination::Each(targets)
        },
        TEST,
    );
}

/// A bare round trip that may fail. Returns its ticks.
///
/// # Errors
/// The targets that did not answer within a second.
pub fn test(targets: CpuSet) -> Result<u64, CpuSet> {
    let _one = TESTING.lock();
    let begun = clock::now();
    send_test(targets);
    let mut turns = 0_u32;
    while AWAITED.load(Acquire) != 0 {
        turns = turns.saturating_add(1);
        if turns < SHORT {
            spin_loop();
        } else if clock::now().saturating_sub(begun) > clock::from_us(TEST_US) {
            return Err(CpuSet::from_bits(AWAITED.load(Acquire)));
        } else {
            compute();
        }
    }
    Ok(clock::now().saturating_sub(begun))
}

/// How long targets may take to answer a test, in microseconds.
const TEST_US: u64 = 1_000_000;
/// After how many turns a wait is no longer short.
const SHORT: u32 = 10_000;

/// Computes for about a microsecond, then pauses: for a wait that has become long. Where
/// instructions are counted, a `pause` costs the host far more than the time that it takes up.
fn compute() {
    for turn in 0..256 {
        core::hint::black_box(turn);
    }
    spin_loop();
}
