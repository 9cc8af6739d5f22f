//! What a fault leaves to be done later, and how far each CPU is, by which that is found.

use super::act::delay;
use crate::machine::Kernel;
use crate::points::{self, Operation, Verdict};
use crate::{machine, places, protocols, space};
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, SeqCst},
};
use evidence::Kind;
use hw::interrupts::{self, Off};
use hw::sync::{IrqGuard, IrqLock};
use hw::{clock, percpu};
use shootdown::{CpuId, CpuSet, MAX_CPUS, Point, Request, SpaceId, perform};

/// How far one CPU is, and what it has put off. Its own CPU's, so the lock is never contended; it
/// keeps handlers out.
#[derive(Debug)]
pub struct State {
    /// The initiator whose request the handler serves, as far as it can be told.
    pub serving: Option<CpuId>,
    /// Requests that this run of the handler has found.
    notices: u32,
    /// Whether it has invalidated since the last of them.
    invalidated: bool,
    /// Whether a fault has acknowledged that one already.
    pub acknowledged_early: bool,
    /// The slot's value that is to be stored when it is invalidated.
    pub late_acknowledge: Option<u32>,
    /// Whose slot is to be stored again, and what.
    pub twice: Option<(CpuId, u32)>,
    /// The request's first word that is to be stored after the send, so many ticks later.
    pub late_publish: Option<(u64, u64)>,
    /// Whether a fault has masked interrupts for a wait.
    pub masked: bool,
    /// An invalidation that was put off until this moment.
    late_invalidate: Option<(Request, u64)>,
    /// A space whose active set is to be entered at this moment.
    late_activate: Option<(SpaceId, u64)>,
    /// Whether that happens just now.
    entering: bool,
}

static STATES: [IrqLock<State>; MAX_CPUS] = [const {
    IrqLock::new(State {
        serving: None,
        notices: 0,
        invalidated: false,
        acknowledged_early: false,
        late_acknowledge: None,
        twice: None,
        late_publish: None,
        masked: false,
        late_invalidate: None,
        late_activate: None,
        entering: false,
    })
}; MAX_CPUS];

/// The CPUs that have put off something until an interrupt.
static OVERDUE: AtomicU64 = AtomicU64::new(0);
/// The CPUs whose handler is not to signal the end of interrupt.
static NO_EOI: AtomicU64 = AtomicU64::new(0);

/// The state of `me`, the CPU this runs on; interrupts are off while it is held.
pub fn of(me: CpuId) -> IrqGuard<'static, State> {
    STATES[me.index()].lock()
}

/// The initiator that `me` serves.
pub fn serving(me: CpuId) -> Option<CpuId> {
    of(me).serving
}

/// Whether this run of `me`'s handler has served a request before this one.
pub fn has_served(me: CpuId) -> bool {
    of(me).notices > 1
}

/// Whether `me` has invalidated since it found the request.
pub fn has_invalidated(me: CpuId) -> bool {
    of(me).invalidated
}

/// `me` has reached `point`. Returns false if that is on account of a fault.
pub fn enter(point: Point, operation: &Operation<'_>, me: CpuId) -> bool {
    match (point, operation) {
        (Point::Notice, _) => {
            let serving = first_initiator(me);
            let mut state = of(me);
            state.serving = serving;
            state.notices += 1;
            state.invalidated = false;
        }
        (Point::Copy, &Operation::Load { word, .. }) => {
            if let Some(peer) = places::of(word).and_then(|place| place.peer_of(me)) {
                of(me).serving = Some(peer);
            }
        }
        (Point::Activate, _) => return !of(me).entering,
        _ => {}
    }
    true
}

/// The lowest CPU whose request awaits `me`: the one that a scan from CPU 0 finds.
fn first_initiator(me: CpuId) -> Option<CpuId> {
    let mut others = machine::online().without(me).into_iter();
    others.find(|&cpu| protocols::outstanding(cpu).contains(me))
}

/// Every fault at `point` has fired on `me`, and says `verdict`: does what was put off until here.
pub fn leave(point: Point, operation: &Operation<'_>, me: CpuId, verdict: Verdict) -> Verdict {
    match (point, operation) {
        (Point::LocalInvalidate | Point::Wait, _) => publish(me),
        (Point::Done, _) => unmask(me),
        (Point::Acknowledge, _) if core::mem::take(&mut of(me).acknowledged_early) => {
            return Verdict::Skip;
        }
        (Point::Invalidate, Operation::Invalidate(request)) => {
            return invalidated(request, me, verdict);
        }
        (Point::Return, _) => returned(me),
        _ => {}
    }
    verdict
}

fn publish(me: CpuId) {
    let late = of(me).late_publish.take();
    if let (Some((value, ticks)), Some(head)) = (late, protocols::head_word(me)) {
        delay(ticks);
        head.poke(value);
    }
}

fn unmask(me: CpuId) {
    if core::mem::take(&mut of(me).masked) {
        points::note(Kind::InterruptsOn, 0, 0);
        interrupts::enable();
    }
}

/// A wait was given up on this CPU: a fault that masked interrupts for it unmasks them.
#[cold]
pub fn abandoned() {
    unmask(percpu::cpu());
}

fn invalidated(request: &Request, me: CpuId, verdict: Verdict) -> Verdict {
    let mut state = of(me);
    state.invalidated = true;
    let (late, serving) = (state.late_acknowledge.take(), state.serving);
    drop(state);
    let (Some(generation), Some(initiator)) = (late, serving) else {
        return verdict;
    };
    match verdict {
        Verdict::Skip => {}
        Verdict::Invalidate(other) => perform(&Kernel, &other),
        _ => perform(&Kernel, request),
    }
    if let Some(slot) = protocols::slot_word(me, initiator) {
        slot.poke(generation);
    }
    Verdict::Skip
}

fn returned(me: CpuId) {
    let mut state = of(me);
    state.notices = 0;
    state.serving = None;
    let twice = state.twice.take();
    drop(state);
    if let Some((initiator, generation)) = twice
        && let Some(slot) = protocols::slot_word(me, initiator)
    {
        slot.poke(generation);
    }
}

/// Whether a CPU has put something off until another point.
pub fn between_points() -> bool {
    machine::online().into_iter().any(|cpu| {
        STATES[cpu.index()].try_lock().is_none_or(|state| {
            state.masked
                || state.acknowledged_early
                || state.late_acknowledge.is_some()
                || state.twice.is_some()
                || state.late_publish.is_some()
        })
    })
}

/// Has `me` perform `request` after `ticks`; what it has put off already, at once.
pub fn invalidate_later(me: CpuId, request: &Request, ticks: u64) {
    let due = clock::now().saturating_add(ticks);
    let before = of(me).late_invalidate.replace((*request, due));
    OVERDUE.fetch_or(CpuSet::only(me).bits(), SeqCst);
    if let Some((before, _)) = before {
        perform(&Kernel, &before);
    }
}

/// Has `me` enter the active set of `space` after `ticks`, if it uses its tables then.
pub fn enter_later(me: CpuId, space: SpaceId, ticks: u64) {
    let due = clock::now().saturating_add(ticks);
    of(me).late_activate = Some((space, due));
    OVERDUE.fetch_or(CpuSet::only(me).bits(), SeqCst);
}

/// The CPUs that have put something off until an interrupt.
pub fn overdue() -> CpuSet {
    CpuSet::from_bits(OVERDUE.load(Acquire))
}

/// Does what this CPU has put off until an interrupt, as far as it is due. At the beginning of an
/// interrupt, with interrupts off.
#[inline(always)]
pub fn settle_overdue() {
    if OVERDUE.load(Relaxed) != 0 {
        settle(clock::now());
    }
}

/// Does all of it.
pub fn settle_all() {
    let _off = Off::new();
    settle(u64::MAX);
}

#[cold]
fn settle(now: u64) {
    let me = percpu::cpu();
    if !overdue().contains(me) {
        return;
    }
    let mut state = of(me);
    let invalidate = state.late_invalidate.take_if(|(_, due)| *due <= now);
    let activate = state.late_activate.take_if(|(_, due)| *due <= now);
    if state.late_invalidate.is_none() && state.late_activate.is_none() {
        OVERDUE.fetch_and(!CpuSet::only(me).bits(), SeqCst);
    }
    state.entering = activate.is_some();
    drop(state);
    if let Some((request, _)) = invalidate {
        perform(&Kernel, &request);
    }
    if let Some((space, _)) = activate {
        space::enter_active_set(space);
        of(me).entering = false;
    }
}

/// Has the handler that runs on `me` end without the end-of-interrupt signal.
pub fn withhold_eoi(me: CpuId) {
    NO_EOI.fetch_or(CpuSet::only(me).bits(), SeqCst);
}

/// Whether the handler that is about to end here is not to signal the end of interrupt.
#[inline(always)]
pub fn withholds_eoi() -> bool {
    NO_EOI.load(Relaxed) != 0 && take_withheld()
}

#[cold]
fn take_withheld() -> bool {
    let me = CpuSet::only(percpu::cpu()).bits();
    NO_EOI.fetch_and(!me, SeqCst) & me != 0
}
