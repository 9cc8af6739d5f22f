//! Locks for a kernel that is preempted and interrupted.

use crate::interrupts::Off;
use crate::percpu;
use core::hint::spin_loop;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use shootdown::CpuId;
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// A spin for a lock that has become long.
#[derive(Debug)]
pub struct LongSpin {
    /// The lock's address.
    pub lock: usize,
    /// The CPU that took it last, if any did: whoever holds it, unless it is being passed on.
    pub holder: Option<CpuId>,
    /// The turns that it has taken, since whoever looks last set this to 0.
    pub turns: u64,
    /// Whether it is over. Then nobody looks again.
    pub over: bool,
    /// For whoever looks, to remember by; 0 at first.
    pub began: u64,
    /// The same.
    pub since: u64,
}

/// How many turns a spin takes between two looks.
const ROUND: u64 = 1 << 14;

/// Who looks at spins that become long.
static LOOK: spin::Once<fn(&mut LongSpin)> = spin::Once::new();

/// Has `look` called over and over while a CPU spins for a lock for long, and once afterwards: on
/// that CPU, in any context, interrupts as they are there. It may take other locks.
pub fn on_long_spin(look: fn(&mut LongSpin)) {
    LOOK.call_once(|| look);
}

/// A spin lock that knows who took it last.
#[derive(Debug, Default)]
struct Held<T> {
    lock: SpinMutex<T>,
    /// The CPU that took it last, plus one.
    holder: AtomicU32,
}

impl<T> Held<T> {
    const fn new(value: T) -> Self {
        Held {
            lock: SpinMutex::new(value),
            holder: AtomicU32::new(0),
        }
    }

    #[inline]
    fn try_lock(&self) -> Option<SpinMutexGuard<'_, T>> {
        let guard = self.lock.try_lock()?;
        self.holder.store(percpu::cpu().index() as u32 + 1, Relaxed);
        Some(guard)
    }

    #[inline]
    fn lock(&self) -> SpinMutexGuard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.spin(),
        }
    }

    #[cold]
    fn spin(&self) -> SpinMutexGuard<'_, T> {
        let mut long = LongSpin {
            lock: core::ptr::from_ref(self).addr(),
            holder: None,
            turns: 0,
            over: false,
            began: 0,
            since: 0,
        };
        let mut looked = None;
        loop {
            for _ in 0..ROUND {
                spin_loop();
                if let Some(guard) = self.try_lock() {
                    long.over = true;
                    looked.inspect(|look: &&fn(&mut LongSpin)| look(&mut long));
                    return guard;
                }
            }
            long.turns += ROUND;
            let holder = (self.holder.load(Relaxed) as usize).checked_sub(1);
            long.holder = holder.and_then(CpuId::new);
            looked = LOOK.get().inspect(|look| look(&mut long));
        }
    }
}

/// A spin lock that is held with interrupts off: for what interrupt handlers touch too.
///
/// Never wait for another CPU while holding one: a CPU that spins for it takes no interrupts, so
/// the wait could be for that CPU (I7, and protocol.md §8.6).
#[derive(Debug, Default)]
pub struct IrqLock<T>(Held<T>);

/// Access to what an [`IrqLock`] guards; interrupts are off on this CPU meanwhile.
#[derive(Debug)]
pub struct IrqGuard<'l, T> {
    // Dropped in this order: the lock is free before interrupts come back.
    guard: SpinMutexGuard<'l, T>,
    _off: Off,
}

impl<T> IrqLock<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        IrqLock(Held::new(value))
    }

    /// Takes the lock, spinning with interrupts off.
    pub fn lock(&self) -> IrqGuard<'_, T> {
        let off = Off::new();
        IrqGuard {
            guard: self.0.lock(),
            _off: off,
        }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<IrqGuard<'_, T>> {
        let off = Off::new();
        Some(IrqGuard {
            guard: self.0.try_lock()?,
            _off: off,
        })
    }
}

impl<T> Deref for IrqGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for IrqGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// A spin lock that is held in a critical section: interrupts come through, preemption does not.
///
/// Shootdowns may be initiated while holding one, since a CPU that spins for it still answers.
/// Interrupt handlers must not take it.
#[derive(Debug, Default)]
pub struct Lock<T>(Held<T>);

/// Access to what a [`Lock`] guards; the running thread is not preempted meanwhile.
#[derive(Debug)]
pub struct Guard<'l, T> {
    guard: Option<SpinMutexGuard<'l, T>>,
}

/// What runs when a critical section ends with a preemption owed; the scheduler sets it.
static PREEMPT: spin::Once<fn()> = spin::Once::new();

/// Has `preempt` called whenever leaving a critical section finds a preemption owed.
pub fn on_owed_preemption(preempt: fn()) {
    PREEMPT.call_once(|| preempt);
}

/// Leaves a critical section and performs the preemption that is owed, if any.
#[inline(always)]
pub fn leave_critical() {
    percpu::leave_critical(pay_preemption);
}

#[cold]
fn pay_preemption() {
    // With interrupts off the owed switch would be someone else's to make: it stays owed.
    if crate::interrupts::are_enabled()
        && let Some(preempt) = PREEMPT.get()
    {
        preempt();
    }
}

impl<T> Lock<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        Lock(Held::new(value))
    }

    /// Takes the lock, spinning in a critical section.
    pub fn lock(&self) -> Guard<'_, T> {
        percpu::enter_critical();
        Guard {
            guard: Some(self.0.lock()),
        }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        percpu::enter_critical();
        match self.0.try_lock() {
            Some(guard) => Some(Guard { guard: Some(guard) }),
            None => {
                leave_critical();
                None
            }
        }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.guard = None;
        leave_critical();
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.guard.as_ref().expect("taken only by drop")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("taken only by drop")
    }
}
