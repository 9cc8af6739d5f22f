//! Having another CPU do something, and waiting for it: jobs by thread, tests by bare IPI.

use crate::machine::{self, TEST};
use crate::space::Space;
use crate::{console, thread};
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

/// How long a job may take, in microseconds of the machine's time, before its caller goes on.
const PATIENCE_US: u64 = 60_000_000;

/// Why a job has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoResult {
    /// No thread could be made.
    NoThread,
    /// It did not end in time, or Ctrl-C was typed. It may still end later.
    Unfinished(CpuId),
    /// Its thread ended without one.
    Ended(CpuId),
}

impl core::fmt::Display for NoResult {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            NoResult::NoThread => thread::NoThread.fmt(f),
            NoResult::Unfinished(cpu) => write!(f, "CPU {cpu} did not finish; it was left to it"),
            NoResult::Ended(cpu) => write!(f, "the job on CPU {cpu} ended without a result"),
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
/// [`NoResult::NoThread`].
pub fn start<T: Send + 'static>(
    name: impl Into<String>,
    cpu: CpuId,
    space: Option<Arc<Space>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Job<T>, NoResult> {
    let shared = Arc::new(Shared {
        done: AtomicBool::new(false),
        result: Lock::new(None),
        waiter: thread::current(),
    });
    let finish = Finish(shared.clone());
    thread::spawn(name, CpuSet::only(cpu), space, move || {
        let finish = finish;
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
    /// [`NoResult`]: it takes longer than a minute, Ctrl-C was typed, or it ended early.
    pub fn wait(self) -> Result<T, NoResult> {
        self.wait_unless(console::interrupted)
    }

    /// Waits for it whatever is typed, and returns its result: for what must be in order before
    /// anything else is done.
    ///
    /// # Errors
    /// [`NoResult`]: it takes longer than a minute, or it ended early.
    pub fn finish(self) -> Result<T, NoResult> {
        self.wait_unless(|| false)
    }

    fn wait_unless(self, given_up: impl Fn() -> bool) -> Result<T, NoResult> {
        let deadline = clock::Deadline::after_us(PATIENCE_US);
        while !self.is_done() {
            if deadline.expired() || given_up() {
                return Err(NoResult::Unfinished(self.cpu));
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
/// The targets that did not answer within five seconds.
pub fn test(targets: CpuSet) -> Result<u64, CpuSet> {
    let _one = TESTING.lock();
    let begun = clock::now();
    send_test(targets);
    let mut turns = 0_u32;
    while AWAITED.load(Acquire) != 0 {
        spin_loop();
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(1024) && clock::now() - begun > clock::from_us(5_000_000) {
            return Err(CpuSet::from_bits(AWAITED.load(Acquire)));
        }
    }
    Ok(clock::now() - begun)
}
