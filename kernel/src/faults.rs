//! Faults: what goes wrong on purpose, at the points of a shootdown.
//!
//! The language is `shell::fault`'s. Here is the list of what is armed ([`slots`]), what each
//! action does ([`act`]), and what it leaves to be done at a later point or interrupt
//! ([`pending`]).
//!
//! [`reached`] runs in any context that passes a point, handlers with interrupts off included: it
//! takes no lock that another CPU may hold, and allocates nothing.

mod act;
mod held;
mod nmi;
mod pending;
mod slots;

pub use held::{deliver, held, lose};
pub use nmi::answer as answer_nmi;
pub use pending::{abandoned, settle_overdue, withholds_eoi};

use crate::points::{self, Operation, Verdict};
use crate::{boot, gdb, job, places, protocols};
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use evidence::Kind;
use hw::apic::Mode;
use hw::percpu;
use hw::sync::Lock;
use shell::fault::{Action, Fault};
use shootdown::{CpuId, CpuSet, Destination, MAX_CPUS, Point};
use slots::SLOTS;

/// How many faults there can be.
pub const MOST: usize = slots::COUNT;

/// The faults as they were asked for, by their place in [`SLOTS`].
static LIST: Lock<[Option<Fault>; MOST]> = Lock::new([None; MOST]);
/// The points that armed faults need besides their own, to finish what they began.
static FOLLOWED: AtomicU32 = AtomicU32::new(0);
/// How many CPUs are in [`reached`].
static INSIDE: AtomicU32 = AtomicU32::new(0);

/// Why a fault is not armed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// There are [`MOST`] already.
    Full,
    /// In x2APIC mode the command register is written by one instruction, which nothing comes
    /// between (I14).
    OneWrite,
}

/// A fault of the list.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Its number, from 1.
    pub number: usize,
    /// What it is.
    pub fault: Fault,
    /// How often it has fired.
    pub fired: u64,
    /// How often it may yet; `None` for ever.
    pub left: Option<u64>,
}

/// The points at which a fault is armed, a bit (`1 << point`) each.
pub fn armed() -> u32 {
    slots::armed() | FOLLOWED.load(Relaxed)
}

/// Arms `fault`. Returns its number. It may fire before this returns.
///
/// # Errors
/// [`Refused`].
pub fn arm(fault: Fault) -> Result<usize, Refused> {
    if fault.action == Action::Torn && boot::facts().apic == Mode::X2Apic {
        return Err(Refused::OneWrite);
    }
    let mut list = LIST.lock();
    let free = list.iter().position(Option::is_none).ok_or(Refused::Full)?;
    list[free] = Some(fault);
    FOLLOWED.fetch_or(follow(fault.action), SeqCst);
    slots::arm(&SLOTS[free], &fault);
    points::arm();
    Ok(free + 1)
}

/// Takes the fault numbered `number` off the list, or all of them, and has every CPU do what a
/// fault made it put off. Returns how many there were.
///
/// A CPU that is just passing a point may still finish what such a fault does there. Must not be
/// called from inside a shootdown.
pub fn clear(number: Option<usize>) -> usize {
    let mut cleared = 0;
    {
        let mut list = LIST.lock();
        for (index, entry) in list.iter_mut().enumerate() {
            if number.is_none_or(|number| number == index + 1) && entry.take().is_some() {
                slots::disarm(&SLOTS[index]);
                cleared += 1;
            }
        }
        // Whoever comes in from now on sees what is disarmed.
        let unfinished = INSIDE.load(SeqCst) > 0 || pending::between_points();
        let needed = list.iter().flatten().map(|fault| follow(fault.action));
        let needed = needed.fold(0, |bits, more| bits | more);
        if !unfinished {
            FOLLOWED.store(needed, SeqCst);
        }
    }
    points::arm();
    if !LIST
        .lock()
        .iter()
        .flatten()
        .any(|fault| fault.action == Action::Hold)
    {
        deliver(CpuSet::first(MAX_CPUS));
    }
    for cpu in pending::overdue() {
        // A CPU that does not do it has worse troubles.
        let _ = job::start("settle", cpu, None, pending::settle_all).and_then(job::Job::wait);
    }
    cleared
}

/// The faults, by number.
pub fn list() -> Vec<View> {
    let list = *LIST.lock();
    let view = |(index, entry): (usize, &Option<Fault>)| {
        let (fired, left) = slots::counts(&SLOTS[index]);
        entry.map(|fault| View {
            number: index + 1,
            fault,
            fired,
            left,
        })
    };
    list.iter().enumerate().filter_map(view).collect()
}

const fn bit(point: Point) -> u32 {
    1 << point as u32
}

/// The points that `action` needs besides its own.
const fn follow(action: Action) -> u32 {
    /// Who the handler serves, and how far it is, is known by having seen all it passed.
    const HANDLER: u32 = bit(Point::Notice)
        | bit(Point::Copy)
        | bit(Point::Acknowledge)
        | bit(Point::Invalidate)
        | bit(Point::Return);
    match action {
        Action::LatePublish => bit(Point::LocalInvalidate) | bit(Point::Wait),
        Action::InterruptsOff => bit(Point::Done),
        Action::LateActivate => bit(Point::Activate),
        // A delay may stand at any point of a handler, and be for some peers only.
        Action::Delay
        | Action::NoDrain
        | Action::Overlook
        | Action::AcknowledgeEarly
        | Action::SkipAcknowledge
        | Action::LateAcknowledge
        | Action::Twice
        | Action::SkipInvalidate
        | Action::Short
        | Action::WrongOperation
        | Action::LateInvalidate
        | Action::Nmi
        | Action::NoEoi => HANDLER,
        _ => 0,
    }
}

/// This CPU has reached a point at which a fault is armed on some CPU.
pub fn reached(point: Point, operation: &Operation<'_>) -> Verdict {
    INSIDE.fetch_add(1, SeqCst);
    let verdict = fire(point, operation);
    INSIDE.fetch_sub(1, SeqCst);
    verdict
}

fn fire(point: Point, operation: &Operation<'_>) -> Verdict {
    let me = percpu::cpu();
    if !pending::enter(point, operation, me) {
        return Verdict::Go;
    }
    let peers = peers(point, operation, me);
    let mut verdict = Verdict::Go;
    for (index, slot) in SLOTS.iter().enumerate() {
        let Some(armed) = slots::read(slot, point) else {
            continue;
        };
        if armed.concerns(me, peers)
            && act::applies(armed.action, operation, me)
            && slots::take(slot, index, &armed)
        {
            let what = armed.action as u64 | (point as u64) << 8;
            points::note(Kind::Fault, index as u64 + 1, what);
            gdb::event(armed.action.doc());
            match act::perform(&armed, operation, me) {
                Verdict::Go => {}
                other => verdict = other,
            }
        }
    }
    pending::leave(point, operation, me, verdict)
}

/// The CPUs at the other end of what happens at `point`, as far as they are known.
fn peers(point: Point, operation: &Operation<'_>, me: CpuId) -> CpuSet {
    match *operation {
        Operation::Send(to) => recipients(to, me),
        Operation::Store { word, .. } if matches!(point, Point::Zero) => places::of(word)
            .and_then(|place| place.peer_of(me))
            .map_or(CpuSet::EMPTY, CpuSet::only),
        _ => match point {
            Point::Wait | Point::Done => protocols::outstanding(me),
            Point::Notice
            | Point::Copy
            | Point::Acknowledge
            | Point::Invalidate
            | Point::Return => pending::serving(me).map_or(CpuSet::EMPTY, CpuSet::only),
            _ => CpuSet::EMPTY,
        },
    }
}

/// The CPUs that an interrupt sent from `me` goes to.
fn recipients(to: Destination, me: CpuId) -> CpuSet {
    match to {
        Destination::Each(cpus) => cpus,
        Destination::AllButSelf => crate::machine::online().without(me),
    }
}
