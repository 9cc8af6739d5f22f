//! The table of protocols, and the one in use.

use crate::machine::Kernel;
use alloc::boxed::Box;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, SeqCst},
};
use hw::{percpu, sync};
use shootdown::{
    Abandoned, Acknowledged, CpuId, CpuSet, Flush, GlobalLock, Protocol, Request, RequestView,
    Scoreboard, Settings, Targets,
};
use spin::Once;

/// The names by which the `proto` command knows them.
pub const NAMES: [&str; 2] = ["scoreboard", "global-lock"];

/// The protocols, built once for the CPUs there are.
struct Table {
    unpadded: &'static Scoreboard<Kernel>,
    padded: &'static Scoreboard<Kernel>,
    global_lock: &'static GlobalLock<Kernel>,
}

static TABLE: Once<Table> = Once::new();
/// Which of the table's entries new shootdowns use.
static CURRENT: AtomicUsize = AtomicUsize::new(0);
/// Which entry shootdowns that began before the last change may still use.
static PREVIOUS: AtomicUsize = AtomicUsize::new(0);

const PADDED: usize = 1;
const GLOBAL_LOCK: usize = 2;

impl Table {
    #[inline(always)]
    fn at(&self, index: usize) -> &'static dyn Protocol<Kernel> {
        match index {
            0 => self.unpadded,
            PADDED => self.padded,
            _ => self.global_lock,
        }
    }
}

#[inline(always)]
fn table() -> &'static Table {
    TABLE
        .get()
        .expect("the protocols are built before anything is mapped")
}

#[inline(always)]
fn current() -> &'static dyn Protocol<Kernel> {
    table().at(CURRENT.load(Acquire))
}

/// Builds the protocols for `cpus` CPUs, before a second one runs (I13).
pub fn init(cpus: usize, first_generation: u32) {
    let settings = Settings {
        first_generation,
        ..Settings::default()
    };
    let padded = Settings {
        padded: true,
        ..settings
    };
    TABLE.call_once(|| Table {
        unpadded: Box::leak(Box::new(Scoreboard::new(&Kernel, cpus, settings))),
        padded: Box::leak(Box::new(Scoreboard::new(&Kernel, cpus, padded))),
        global_lock: Box::leak(Box::new(GlobalLock::new(&Kernel, cpus, settings))),
    });
}

/// Performs a shootdown by the protocol in use, from the CPU that the caller is on.
///
/// # Errors
/// [`Abandoned`] if the wait was given up; see [`outstanding`].
#[inline]
pub fn shoot(request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
    percpu::enter_critical();
    let result = current().shoot(&Kernel, request, targets);
    sync::leave_critical();
    result
}

/// Shoots what `flush` holds, and gives it back.
///
/// # Errors
/// The flush, if the wait was given up.
pub fn flush<T>(flush: Flush<T>) -> Result<(T, Acknowledged), Flush<T>> {
    percpu::enter_critical();
    let result = flush.shoot(current(), &Kernel);
    sync::leave_critical();
    result
}

/// The target's side: serves what is pending for this CPU. Returns how many requests that were.
#[inline(always)]
pub fn handle() -> u32 {
    let now = CURRENT.load(Acquire);
    let before = PREVIOUS.load(Acquire);
    let mut served = table().at(now).handle(&Kernel);
    if before != now {
        // A change is under way: CPUs may be initiating by either.
        served += table().at(before).handle(&Kernel);
    }
    served
}

/// What is in use, as `proto` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InUse {
    /// The protocol's name.
    pub name: &'static str,
    /// Whether the scoreboard's rows have cache lines of their own.
    pub padded: bool,
    /// Whether a shootdown of everybody else is one broadcast.
    pub broadcast: bool,
}

/// What is in use now.
pub fn in_use() -> InUse {
    let index = CURRENT.load(Acquire);
    InUse {
        name: table().at(index).name(),
        padded: index == PADDED,
        broadcast: table().unpadded.broadcast(),
    }
}

/// Uses the protocol called `name` from now on, one of [`NAMES`], with the scoreboard's rows
/// padded or not. `quiesce` must return only when every CPU has, since it was called, run a
/// thread outside every critical section: then no shootdown by the old protocol is under way.
/// One caller at a time.
pub fn choose(name: &str, padded: bool, quiesce: impl FnOnce()) {
    let new = match name {
        "global-lock" => GLOBAL_LOCK,
        _ if padded => PADDED,
        _ => 0,
    };
    if CURRENT.load(Acquire) == new {
        return;
    }
    // Handlers serve both until every CPU has left what it began by the old one.
    PREVIOUS.store(CURRENT.load(Acquire), SeqCst);
    CURRENT.store(new, SeqCst);
    quiesce();
    PREVIOUS.store(new, SeqCst);
}

/// Whether the scoreboard broadcasts from now on.
pub fn set_broadcast(broadcast: bool) {
    table().unpadded.set_broadcast(broadcast);
    table().padded.set_broadcast(broadcast);
}

/// The targets that have not acknowledged the request of `initiator`.
pub fn outstanding(initiator: CpuId) -> CpuSet {
    current().outstanding(initiator)
}

/// The scoreboard's word for (target, initiator); `None` if the protocol has none.
pub fn slot(target: CpuId, initiator: CpuId) -> Option<u32> {
    current().slot(target, initiator)
}

/// The words of `initiator`'s request as they stand.
pub fn request(initiator: CpuId) -> Option<RequestView> {
    current().request(initiator)
}
