//! Locks for a kernel that is preempted and interrupted.

use crate::interrupts::Off;
use crate::percpu;
use core::ops::{Deref, DerefMut};
use spin::mutex::{SpinMutex, SpinMutexGuard};

/// A spin lock that is held with interrupts off: for what interrupt handlers touch too.
///
/// Never wait for another CPU while holding one: a CPU that spins for it takes no interrupts, so
/// the wait could be for that CPU (I7, and protocol.md §8.6).
#[derive(Debug, Default)]
pub struct IrqLock<T>(SpinMutex<T>);

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
        IrqLock(SpinMutex::new(value))
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
pub struct Lock<T>(SpinMutex<T>);

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
        Lock(SpinMutex::new(value))
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
