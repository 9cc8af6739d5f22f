//! The protocols there are, and the one in use.

mod table;

pub use table::{Entry, entries, give};

use crate::machine::{self, Kernel, KernelWord};
use crate::{places, points, space};
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, SeqCst},
};
use evidence::Kind;
use hw::{percpu, sync};
use shootdown::{
    Abandoned, Acknowledged, CpuId, CpuSet, Flush, Membership, Protocol, Request, RequestHead,
    RequestView, Settings, Slot, Targets, Transport, Word,
};
use spin::Once;
use table::Built;

/// The protocols, built once for the CPUs there are.
static BUILT: Once<Vec<Built>> = Once::new();
/// Which of them new shootdowns use.
static CURRENT: AtomicUsize = AtomicUsize::new(0);
/// Which of them shootdowns that began before the last change may still use.
static PREVIOUS: AtomicUsize = AtomicUsize::new(0);

/// Which of them has ways of its own to enter spaces or to send, and is in use: its number and 1; 0 for none.
static OWN_WAYS: AtomicUsize = AtomicUsize::new(0);

#[inline(always)]
fn built() -> &'static [Built] {
    BUILT
        .get()
        .expect("the protocols are built before anything is mapped")
}

#[inline(always)]
fn at(index: usize) -> &'static dyn Protocol<Kernel> {
    built()[index].protocol
}

#[inline(always)]
fn current() -> &'static dyn Protocol<Kernel> {
    at(CURRENT.load(Acquire))
}

/// How CPUs enter spaces and who is asked, if not in the kernel's own way. Both ways use the same words, so
/// CPUs may differ in it for a while.
#[inline(always)]
pub fn membership() -> Option<&'static dyn Membership<Kernel>> {
    let number = OWN_WAYS.load(Relaxed).checked_sub(1)?;
    built()[number].membership
}

/// How the shootdown interrupt is sent, if not in the kernel's own way.
#[inline(always)]
pub fn transport() -> Option<&'static dyn Transport<Kernel>> {
    let number = OWN_WAYS.load(Relaxed).checked_sub(1)?;
    built()[number].transport
}

/// The protocols' names, in the table's order.
pub fn names() -> impl Iterator<Item = &'static str> {
    entries().map(|entry| entry.name)
}

/// Builds the protocols for `cpus` CPUs, before a second one runs (I13).
pub fn init(cpus: usize, first_generation: u32) {
    let settings = Settings {
        first_generation,
        ..Settings::default()
    };
    let built = BUILT.call_once(|| table::build(cpus, settings).collect());
    places::init(built.iter().map(|built| built.protocol), cpus);
}

/// Performs a shootdown by the protocol in use, from the CPU that the caller is on.
///
/// # Errors
/// [`Abandoned`] if the wait was given up; see [`outstanding`].
#[inline]
pub fn shoot(request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
    percpu::enter_critical();
    note_begin(&request);
    if let Targets::Set(asked) = targets {
        points::note(Kind::Asked, asked.bits(), 0);
    }
    let result = current().shoot(&Kernel, request, targets);
    note_end(result.as_ref().ok());
    sync::leave_critical();
    result
}

/// Performs several requests of one initiator, which all have to be done before it goes on; see
/// [`shootdown::shoot_gathered`].
///
/// # Errors
/// [`Abandoned`] if a wait was given up.
pub fn shoot_gathered(requests: &[Request], targets: Targets) -> Result<(), Abandoned> {
    shootdown::shoot_gathered(current(), requests, |request| {
        shoot(request, targets).map(drop)
    })
}

/// Shoots what `flush` holds, and gives it back.
///
/// # Errors
/// The flush, if the wait was given up.
pub fn flush<T>(flush: Flush<T>) -> Result<(T, Acknowledged), Flush<T>> {
    percpu::enter_critical();
    note_begin(&flush.request());
    let result = flush.shoot(current(), &Kernel);
    note_end(result.as_ref().ok().map(|(_, proof)| proof));
    sync::leave_critical();
    result
}

/// Records that a shootdown begins, and who may hold its translations by the kernel's books.
#[inline(always)]
fn note_begin(request: &Request) {
    if percpu::traced() {
        let (a, b) = points::request_operands(request);
        points::record(Kind::Begin, a, b);
        let holders = space::active(request.space_id());
        points::record(Kind::Holders, holders.bits(), machine::online().bits());
    }
}

/// Records that it returned, with the proof if it was acknowledged.
#[inline(always)]
fn note_end(proof: Option<&Acknowledged>) {
    points::note_with(Kind::End, || {
        let generation = proof.and_then(Acknowledged::generation).unwrap_or(0);
        (u64::from(proof.is_none()), u64::from(generation))
    });
}

/// The target's side: serves what is pending for this CPU. Returns how many requests that were.
#[inline(always)]
pub fn handle() -> u32 {
    let now = CURRENT.load(Acquire);
    let before = PREVIOUS.load(Acquire);
    let mut served = at(now).handle(&Kernel);
    if before != now {
        // A change is under way: CPUs may be initiating by either.
        served += at(before).handle(&Kernel);
    }
    served
}

/// What is in use, as `proto` shows it.
#[derive(Clone, Copy, Debug)]
pub struct InUse {
    /// The protocol's entry.
    pub entry: &'static Entry,
    /// Its name.
    pub name: &'static str,
    /// Whether its rows have cache lines of their own.
    pub padded: bool,
}

/// What is in use now.
pub fn in_use() -> InUse {
    let Built { entry, padded, .. } = built()[CURRENT.load(Acquire)];
    InUse {
        entry,
        name: entry.name,
        padded,
    }
}

/// Whether the protocol called `name` sends a shootdown of everybody else as one broadcast; `None`
/// if it has no such choice.
pub fn broadcast(name: &str) -> Option<bool> {
    let named = |built: &&Built| built.entry.name == name;
    built().iter().find(named)?.protocol.broadcast()
}

/// Uses the protocol called `name` from now on, one of [`names`], its rows padded or not where it
/// has rows. `quiesce` must return only when every CPU has, since it was called, run a
/// thread outside every critical section: then no shootdown by the old protocol is under way.
/// One caller at a time.
pub fn choose(name: &str, padded: bool, quiesce: impl FnOnce()) {
    let wanted =
        |built: &Built| built.entry.name == name && built.padded == (padded && built.entry.rows);
    let new = built().iter().position(wanted).unwrap_or(0);
    if CURRENT.load(Acquire) == new {
        return;
    }
    // Handlers serve both until every CPU has left what it began by the old one.
    PREVIOUS.store(CURRENT.load(Acquire), SeqCst);
    CURRENT.store(new, SeqCst);
    let own = built()[new].membership.is_some() || built()[new].transport.is_some();
    OWN_WAYS.store(if own { new + 1 } else { 0 }, Relaxed);
    quiesce();
    PREVIOUS.store(new, SeqCst);
}

/// Whether every protocol that has the choice broadcasts from now on.
pub fn set_broadcast(broadcast: bool) {
    for built in built() {
        built.protocol.set_broadcast(broadcast);
    }
}

/// The targets that have not acknowledged the request of `initiator`.
pub fn outstanding(initiator: CpuId) -> CpuSet {
    current().outstanding(initiator)
}

/// The word in which `target` acknowledges `initiator`, as it stands; `None` if there is none.
pub fn slot(target: CpuId, initiator: CpuId) -> Option<u32> {
    Some(current().slot(target, initiator)?.peek(Relaxed))
}

/// The word in which `target` acknowledges `initiator`: for a fault's own stores.
pub fn slot_word(target: CpuId, initiator: CpuId) -> Option<&'static KernelWord<u32, Slot>> {
    current().slot(target, initiator)
}

/// The first word of `initiator`'s request: for a fault's own stores.
pub fn head_word(initiator: CpuId) -> Option<&'static KernelWord<u64, RequestHead>> {
    current().head(initiator)
}

/// The CPUs that `waiter`'s shootdown cannot go on without: late targets, or a lock's holder.
pub fn waits_for(waiter: CpuId) -> CpuSet {
    current().waits_for(waiter)
}

/// The words of `initiator`'s request as they stand.
pub fn request(initiator: CpuId) -> Option<RequestView> {
    current().request(initiator)
}
