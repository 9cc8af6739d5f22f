//! Spins for the kernel's own locks.

use super::look::Baseline;
use super::report::{Stuck, What};
use super::settings::{self, Action, After};
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use hw::exit::{Status, exit};
use hw::sync::LongSpin;
use hw::{clock, percpu};
use shootdown::{CpuId, CpuSet, MAX_CPUS};

/// For each CPU: 0 while it is not known to spin for a lock, else 1, and the number of the lock's
/// last holder plus one in the bits from 8 on.
static SPINNING: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// Has spins for locks looked at.
pub fn init() {
    hw::sync::on_long_spin(look);
}

/// Whether `cpu` spins for a lock, as far as is known: the CPU that held it last, if any did.
pub fn awaited(cpu: CpuId) -> Option<Option<CpuId>> {
    let word = SPINNING[cpu.index()].load(Acquire);
    (word != 0).then(|| CpuId::new((word as usize >> 8).checked_sub(1)?))
}

/// Looks at a spin that has become long. In any context in which a lock may be taken.
fn look(spin: &mut LongSpin) {
    let me = percpu::cpu();
    let known = &SPINNING[me.index()];
    if spin.over {
        known.store(0, Release);
        return;
    }
    // The report may spin for a lock itself: that spin is told nothing of.
    let outermost = known.load(Acquire) == 0 || spin.since != 0;
    if !outermost {
        return;
    }
    let holder = spin.holder.map_or(0, |holder| holder.index() as u64 + 1);
    known.store(holder << 8 | 1, Release);
    let now = clock::now();
    if spin.since == 0 {
        (spin.since, spin.began) = (now, now);
    }
    let too_long = match settings::after() {
        After::Ticks(ticks) => now.saturating_sub(spin.since) > ticks,
        After::Turns(turns) => spin.turns > turns,
    };
    if too_long {
        spin.since = now;
        spin.turns = 0;
        tell(me, spin);
    }
}

fn tell(me: CpuId, spin: &LongSpin) {
    let stop = settings::action() == Action::Stop;
    let stuck = Stuck {
        waiter: me,
        what: What::Lock(spin.lock),
        culprits: spin.holder.map_or(CpuSet::EMPTY, CpuSet::only),
        lasted_ms: clock::to_us(clock::now().saturating_sub(spin.began)) / 1000,
    };
    // Whoever takes a lock has no way to go on without it.
    let what_next = if stop {
        "stops the machine"
    } else {
        "goes on waiting"
    };
    let turn = super::Turn::take();
    super::tell(&stuck, &Baseline::take(), what_next);
    drop(turn);
    if stop {
        crate::channel::close();
        exit(Status::Hang);
    }
}
