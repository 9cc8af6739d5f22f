//! CPUs that stand at a point, and how they go on.

use super::{Parked, breaks};
use crate::{console, machine, points, thread};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::{black_box, spin_loop};
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use evidence::Kind;
use hw::sync::IrqLock;
use hw::{clock, interrupts};
use shootdown::{CpuId, CpuSet, MAX_CPUS};

/// What a parked CPU is asked to do.
type Work = Box<dyn FnOnce() + Send>;

/// One CPU's place to stand.
struct Place {
    /// Where it stands.
    record: IrqLock<Option<Parked>>,
    /// Whether it may go on.
    released: AtomicBool,
    asked: IrqLock<VecDeque<Work>>,
}

static PLACES: [Place; MAX_CPUS] = [const {
    Place {
        record: IrqLock::new(None),
        released: AtomicBool::new(false),
        asked: IrqLock::new(VecDeque::new()),
    }
}; MAX_CPUS];

/// The CPUs that stand.
static PARKED: AtomicU64 = AtomicU64::new(0);
/// The CPUs that are to be parked at their next point.
static STEPPING: AtomicU64 = AtomicU64::new(0);
/// The CPUs that are to be, once they leave the point at which they stand: while they do, they look for steps of
/// handlers that ended.
static ABOUT_TO_STEP: AtomicU64 = AtomicU64::new(0);
/// How often CPUs were parked.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);
/// Whether CPUs may be parked, or are.
static ENGAGED: AtomicBool = AtomicBool::new(false);
/// Whether CPUs were parked, or have run on, since the last [`tend`].
static CHANGED: AtomicBool = AtomicBool::new(false);
/// Orders the changes of what is armed.
static UPDATING: IrqLock<()> = IrqLock::new(());

/// The time that does not count.
struct Standstill {
    /// How many CPUs are parked.
    cpus: u32,
    /// Since when the first of them is.
    since: u64,
    /// The ticks in which any was, until then.
    ticks: u64,
}

static STANDSTILL: IrqLock<Standstill> = IrqLock::new(Standstill {
    cpus: 0,
    since: 0,
    ticks: 0,
});

impl Standstill {
    fn begin(&mut self) {
        if self.cpus == 0 {
            self.since = clock::now();
        }
        self.cpus += 1;
    }

    fn end(&mut self) {
        self.cpus -= 1;
        if self.cpus == 0 {
            self.ticks += clock::now().saturating_sub(self.since);
        }
    }
}

/// Ticks in which no CPU was parked, since boot. Patience is measured by it: who waits for a parked
/// CPU, or for one that waits for a parked one, does not wait too long.
pub fn running_clock() -> u64 {
    let standstill = STANDSTILL.lock();
    let now = if standstill.cpus > 0 {
        standstill.since
    } else {
        clock::now()
    };
    now.saturating_sub(standstill.ticks)
}

fn bit(cpu: CpuId) -> u64 {
    CpuSet::only(cpu).bits()
}

/// The CPUs that are parked.
pub fn parked() -> CpuSet {
    CpuSet::from_bits(PARKED.load(Acquire))
}

/// Where `cpu` is parked, if it is.
pub fn where_is(cpu: CpuId) -> Option<Parked> {
    *PLACES[cpu.index()].record.lock()
}

/// The same, as a person is told.
pub fn describe(cpu: CpuId) -> Option<String> {
    where_is(cpu).map(|parked| parked.to_string())
}

/// Where CPUs are parked that nobody was told of yet; now they are taken to be told. In the order
/// in which they were parked.
pub fn untold() -> Vec<Parked> {
    let mut found: Vec<Parked> = parked()
        .into_iter()
        .filter_map(|cpu| {
            let mut record = PLACES[cpu.index()].record.lock();
            let parked = record.as_mut().filter(|parked| !parked.told)?;
            parked.told = true;
            Some(*parked)
        })
        .collect();
    found.sort_unstable_by_key(|parked| parked.arrival);
    found
}

/// A person has been told where `cpu` is parked.
pub fn tell(cpu: CpuId) {
    if let Some(parked) = PLACES[cpu.index()].record.lock().as_mut() {
        parked.told = true;
    }
}

/// How often CPUs were parked since boot.
pub fn arrivals() -> u64 {
    ARRIVALS.load(Acquire)
}

/// Whether CPUs may be parked, or are: then the shell's thread runs under special rules, see
/// `thread::lend`. Becomes true only on that thread.
#[inline(always)]
pub fn engaged() -> bool {
    ENGAGED.load(Acquire)
}

/// From now on CPUs may be parked.
pub(super) fn engage() {
    ENGAGED.store(true, Release);
}

/// Has every CPU's points armed as breaks and steps now are.
pub(super) fn update() {
    let _one = UPDATING.lock();
    let may = breaks::points() != 0 || any_stepping() || !parked().is_empty();
    ENGAGED.store(may, Release);
    points::arm();
}

pub(super) fn any_stepping() -> bool {
    (STEPPING.load(Acquire) | ABOUT_TO_STEP.load(Acquire)) != 0
}

/// Whether `cpu` is to be parked at its next point.
pub fn is_stepping(cpu: CpuId) -> bool {
    STEPPING.load(Acquire) & bit(cpu) != 0
}

/// Ends a step; says whether `cpu` was making one.
pub(super) fn take_step(cpu: CpuId) -> bool {
    is_stepping(cpu) && STEPPING.fetch_and(!bit(cpu), AcqRel) & bit(cpu) != 0
}

/// Has `cpu` run on after all, if it has not reached its next point.
pub fn cancel_step(cpu: CpuId) {
    let about = ABOUT_TO_STEP.fetch_and(!bit(cpu), AcqRel) & bit(cpu) != 0;
    if take_step(cpu) || about {
        update();
    }
}

/// Lets `cpu`, which is parked, run to its next point.
pub fn step(cpu: CpuId) {
    ABOUT_TO_STEP.fetch_or(bit(cpu), AcqRel);
    update();
    PLACES[cpu.index()].released.store(true, Release);
}

/// Lets `cpus` run on, those of them that are parked.
pub fn proceed(cpus: CpuSet) {
    for cpu in cpus.and(parked()) {
        PLACES[cpu.index()].released.store(true, Release);
    }
}

/// Stands at `parked` until released. On that CPU, with interrupts off, in a critical section;
/// `interrupts_on` says whether they are to be taken meanwhile.
pub(super) fn stand(parked: Parked, interrupts_on: bool) {
    let (me, point) = (parked.cpu, parked.point);
    let place = &PLACES[me.index()];
    let outer = place.record.lock().replace(parked);
    if outer.is_none() {
        PARKED.fetch_or(bit(me), AcqRel);
        STANDSTILL.lock().begin();
    }
    points::note(Kind::Park, point as u64, 0);
    arrive(place, me);
    let mut duty = Duty::default();
    while !place.released.swap(false, AcqRel) {
        look_around(place, me);
        if duty.is_due(me) {
            serve(&duty);
        }
        pause(interrupts_on);
    }
    if ABOUT_TO_STEP.load(Acquire) & bit(me) != 0 {
        // In this order: some bit is set all the time, so that nobody disarms the points.
        STEPPING.fetch_or(bit(me), AcqRel);
        ABOUT_TO_STEP.fetch_and(!bit(me), AcqRel);
    }
    points::note(Kind::Unpark, point as u64, 0);
    *place.record.lock() = outer;
    if outer.is_none() {
        PARKED.fetch_and(!bit(me), AcqRel);
        STANDSTILL.lock().end();
        place.asked.lock().clear();
    }
    signal(me);
}

/// The CPU of `place` has come to stand there: tells the shell.
fn arrive(place: &Place, me: CpuId) {
    if let Some(parked) = place.record.lock().as_mut() {
        parked.arrival = ARRIVALS.fetch_add(1, AcqRel) + 1;
        parked.told = false;
    }
    signal(me);
}

/// Has somebody [`tend`] to what has changed. Little is done on this CPU itself: whatever it touches may
/// cost it the translations that somebody wants to look at.
fn signal(me: CpuId) {
    CHANGED.store(true, Release);
    if me != CpuId::BOOT {
        machine::send_reschedule(CpuId::BOOT);
    } else if !parked().contains(me) {
        tend();
    }
}

/// Wakes the shell if CPUs were parked or have run on, and arms what is armed now. Called where a
/// rescheduling interrupt arrives, and by the first of the parked CPUs, in case none does.
pub fn tend() {
    if CHANGED.load(Relaxed) && CHANGED.swap(false, AcqRel) {
        update();
        thread::rescue();
        console::nudge();
        thread::wake_shell();
    }
}

/// Does what this CPU is asked to.
fn look_around(place: &Place, me: CpuId) {
    if take_step(me) {
        // A step of an inner point, in a handler that has ended: it leads back here.
        arrive(place, me);
    }
    while let Some(work) = next_work(place) {
        work();
    }
}

/// What the first of the parked CPUs does where nobody else can: if it is CPU 0, or no CPU is free. No
/// other and no sooner, since it costs translations.
#[derive(Default)]
struct Duty {
    /// How often this CPU has looked.
    looks: u32,
    /// How often in a row no CPU was free.
    missed: u32,
}

impl Duty {
    fn is_due(&mut self, me: CpuId) -> bool {
        self.looks = self.looks.wrapping_add(1);
        let free = machine::online().into_iter().any(thread::is_free);
        self.missed = if free {
            0
        } else {
            self.missed.saturating_add(1)
        };
        let due =
            me == CpuId::BOOT || self.missed > SHORT_LOOKS || self.looks.is_multiple_of(LONG_LOOKS);
        due && parked().lowest() == Some(me)
    }
}

/// Looks after the serial line, who waits for time to pass, and the shell.
fn serve(duty: &Duty) {
    if duty.looks.is_multiple_of(DOZE_LOOKS) {
        thread::wake_dozers();
    }
    console::receive();
    tend();
    thread::lend();
}

/// Pauses a little, interrupts as they were when it was parked.
fn pause(interrupts_on: bool) {
    if interrupts_on {
        interrupts::enable();
    }
    spin_loop();
    for look in 0..PAUSES {
        black_box(look);
    }
    interrupts::disable();
}

/// How many instructions, in threes, a parked CPU lets pass between two looks. More than one PAUSE would be dear: at
/// each of them the emulator goes on with another CPU, so a parked one would make time pass a thousand times slower.
const PAUSES: usize = 256;
/// After how many looks it wakes those who wait for no more than time to pass.
const DOZE_LOOKS: u32 = 64;
/// For how many looks every CPU may be in a critical section that is not a wait for a parked one.
const SHORT_LOOKS: u32 = 16;
/// After how many looks it does so though a CPU seems free: that may take no interrupts.
const LONG_LOOKS: u32 = 8192;

fn next_work(place: &Place) -> Option<Work> {
    place.asked.lock().pop_front()
}

/// Has `cpu`, which is parked, do `work` where it stands, and waits for the result; `None` if it
/// runs on before it gets to it, or is not parked.
///
/// `work` neither waits nor sleeps nor initiates: it is for looking at what only that CPU sees, its
/// TLB and its local APIC.
pub fn ask<T: Send + 'static>(cpu: CpuId, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let place = &PLACES[cpu.index()];
    let result = Arc::new(IrqLock::new(None));
    let (theirs, waiter) = (result.clone(), thread::current());
    place.asked.lock().push_back(Box::new(move || {
        let value = work();
        *theirs.lock() = Some(value);
        thread::unpark(waiter);
    }));
    // Work that is dropped undone leaves the result to this side alone.
    while result.lock().is_none() && Arc::strong_count(&result) > 1 {
        if !parked().contains(cpu) {
            place.asked.lock().clear();
        }
        thread::doze();
    }
    result.lock().take()
}
