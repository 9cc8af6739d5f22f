//! The faults that are armed, as CPUs read them at points: words, without locks.

use crate::random::Random;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use hw::clock;
use shell::fault::{Action, Fault};
use shootdown::{CpuId, CpuSet, Point};

/// How many there are.
pub const COUNT: usize = 32;
/// The random sequences of faults.
const STREAM: u64 = 0x6661_756c << 32;

/// One fault. Written by who holds the list; read by any CPU, of which `turn` says whether what it
/// read is of one fault.
pub struct Slot {
    /// 0 while nothing is armed here; else a number that no other arming had.
    turn: AtomicU64,
    /// Its point, action, the other CPU and percentage, a byte each.
    what: AtomicU64,
    cpus: AtomicU64,
    /// 0 for whoever it is.
    peers: AtomicU64,
    ticks: AtomicU64,
    after: AtomicU64,
    /// Cases that it was about.
    cases: AtomicU64,
    fired: AtomicU64,
    /// How often it may yet fire; `u64::MAX` for ever.
    left: AtomicU64,
}

pub static SLOTS: [Slot; COUNT] = [const {
    Slot {
        turn: AtomicU64::new(0),
        what: AtomicU64::new(0),
        cpus: AtomicU64::new(0),
        peers: AtomicU64::new(0),
        ticks: AtomicU64::new(0),
        after: AtomicU64::new(0),
        cases: AtomicU64::new(0),
        fired: AtomicU64::new(0),
        left: AtomicU64::new(0),
    }
}; COUNT];

/// How often anything was armed.
static TURNS: AtomicU64 = AtomicU64::new(0);

/// What a CPU needs to know of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// What goes wrong.
    pub action: Action,
    /// The other CPU, where the action needs one; else CPU 0.
    pub to: CpuId,
    /// For which CPUs at the other end; empty for whoever it is.
    pub peers: CpuSet,
    /// How long, in ticks.
    pub ticks: u64,
    cpus: CpuSet,
    percent: u64,
    after: u64,
}

impl Armed {
    /// Whether it is about `me` and one of `peers`.
    pub fn concerns(&self, me: CpuId, peers: CpuSet) -> bool {
        self.cpus.contains(me) && (self.peers.is_empty() || !self.peers.and(peers).is_empty())
    }
}

/// The points at which any is armed, a bit each.
pub fn armed() -> u32 {
    let armed = SLOTS.iter().filter(|slot| slot.turn.load(Acquire) != 0);
    armed.fold(0, |bits, slot| bits | 1 << (slot.what.load(Relaxed) & 0xff))
}

/// Arms `fault` in `slot`, where nothing is armed. By who holds the list.
pub fn arm(slot: &Slot, fault: &Fault) {
    let to = fault.to.map_or(0, CpuId::index) as u64;
    let what =
        fault.point as u64 | (fault.action as u64) << 8 | to << 16 | u64::from(fault.percent) << 24;
    // After `disarm`, before any of the new words.
    fence(SeqCst);
    slot.what.store(what, Relaxed);
    let cpus = fault.cpus.map_or(u64::MAX, CpuSet::bits);
    slot.cpus.store(cpus, Relaxed);
    slot.peers
        .store(fault.peers.map_or(0, CpuSet::bits), Relaxed);
    slot.ticks.store(ticks(fault.time.ns()), Relaxed);
    slot.after.store(fault.after, Relaxed);
    slot.cases.store(0, Relaxed);
    slot.fired.store(0, Relaxed);
    slot.left.store(fault.times.unwrap_or(u64::MAX), Relaxed);
    slot.turn.store(TURNS.fetch_add(1, Relaxed) + 1, Release);
}

/// Nanoseconds in ticks of the time-stamp counter, at least one if there is any.
fn ticks(ns: u64) -> u64 {
    (clock::from_us(ns) / 1000).max(u64::from(ns > 0))
}

/// Disarms `slot`. By who holds the list.
pub fn disarm(slot: &Slot) {
    slot.turn.store(0, SeqCst);
}

/// How often it fired, and how often it may yet; `None` for ever.
pub fn counts(slot: &Slot) -> (u64, Option<u64>) {
    let left = slot.left.load(Relaxed);
    (slot.fired.load(Relaxed), (left != u64::MAX).then_some(left))
}

/// The fault in `slot`, if one is armed there, at `point`.
pub fn read(slot: &Slot, point: Point) -> Option<Armed> {
    let turn = slot.turn.load(SeqCst);
    let what = slot.what.load(Relaxed);
    if turn == 0 || what & 0xff != point as u64 {
        return None;
    }
    let armed = Armed {
        action: Action::from_number((what >> 8) as u8)?,
        to: CpuId::new((what >> 16 & 0xff) as usize)?,
        peers: CpuSet::from_bits(slot.peers.load(Relaxed)),
        ticks: slot.ticks.load(Relaxed),
        cpus: CpuSet::from_bits(slot.cpus.load(Relaxed)),
        percent: what >> 24 & 0xff,
        after: slot.after.load(Relaxed),
    };
    fence(Acquire);
    // Disarmed, or another one by now: then what was read may be of both.
    (slot.turn.load(Relaxed) == turn).then_some(armed)
}

/// Whether the fault, number `index` of the list, fires in this case; counts the case, and the
/// firing.
pub fn take(slot: &Slot, index: usize, armed: &Armed) -> bool {
    let case = slot.cases.fetch_add(1, Relaxed);
    let drawn = || Random::new(STREAM | (index as u64) << 48 | case).below(100) < armed.percent;
    if case < armed.after || (armed.percent < 100 && !drawn()) {
        return false;
    }
    let one_less = |left: u64| match left {
        u64::MAX => Some(left),
        left => left.checked_sub(1),
    };
    let due = slot.left.fetch_update(Relaxed, Relaxed, one_less).is_ok();
    slot.fired.fetch_add(u64::from(due), Relaxed);
    due
}
