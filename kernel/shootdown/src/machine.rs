//! The seam: everything a protocol may ask of the machine it runs on.
//!
//! The kernel implements [`Machine`] with real interrupts and real TLBs, host tests with a model.
//! A protocol sees nothing else, so its source is the same in each.

use crate::{CpuId, CpuSet, Point, Request, SpaceId, Tlb};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a shared word holds: `u32` or `u64`, each with the atomic type of its size.
pub trait Value: Copy + PartialEq + Send + Sync + 'static + private::Sealed {
    /// What an implementation of [`Word`] is made of.
    type Atomic: Atomic<Self>;
    /// The value, widened: what a [`Role`] decides by.
    fn bits(self) -> u64;
    /// The value of those bits, cut to its size.
    fn from_bits(bits: u64) -> Self;
}

/// The standard atomics, generically. Passes no points: a [`Word`] is one of these and its role.
pub trait Atomic<V>: Send + Sync + 'static {
    /// Holds `value`.
    fn new(value: V) -> Self;
    /// As [`Word::load`].
    fn load(&self, order: Ordering) -> V;
    /// As [`Word::store`].
    fn store(&self, value: V, order: Ordering);
    /// As [`Word::swap`].
    fn swap(&self, value: V, order: Ordering) -> V;
    /// As [`Word::fetch_or`].
    fn fetch_or(&self, bits: V, order: Ordering) -> V;
    /// As [`Word::fetch_and`].
    fn fetch_and(&self, bits: V, order: Ordering) -> V;
    /// As [`Word::compare_exchange`].
    fn compare_exchange(&self, current: V, new: V, order: Ordering) -> Result<V, V>;
}

/// Declares the values, each with its standard atomic.
macro_rules! values {
    ($($value:ty = $atomic:ty,)*) => {$(
        impl private::Sealed for $value {}
        impl Value for $value {
            type Atomic = $atomic;
            #[inline(always)]
            fn bits(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn from_bits(bits: u64) -> $value {
                bits as $value
            }
        }
        impl Atomic<$value> for $atomic {
            #[inline(always)]
            fn new(value: $value) -> Self {
                <$atomic>::new(value)
            }
            #[inline(always)]
            fn load(&self, order: Ordering) -> $value {
                self.load(order)
            }
            #[inline(always)]
            fn store(&self, value: $value, order: Ordering) {
                self.store(value, order);
            }
            #[inline(always)]
            fn swap(&self, value: $value, order: Ordering) -> $value {
                self.swap(value, order)
            }
            #[inline(always)]
            fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                self.fetch_or(bits, order)
            }
            #[inline(always)]
            fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                self.fetch_and(bits, order)
            }
            #[inline(always)]
            fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                order: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, order, Ordering::Relaxed)
            }
        }
    )*};
}

values! {
    u32 = AtomicU32,
    u64 = AtomicU64,
}

mod private {
    pub trait Sealed {}
}

/// What a shared word is for. The point that an access passes follows from it, so a protocol has
/// points without naming them.
pub trait Role: Send + Sync + 'static {
    /// The point a store of `bits` passes, if any.
    fn stored(bits: u64) -> Option<Point>;
    /// The point a load that found `bits` passes, if any.
    fn loaded(bits: u64) -> Option<Point>;
}

/// Declares a role: which point its stores and its loads pass.
macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident { store: $store:expr, load: $load:expr })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}
        impl Role for $name {
            #[inline(always)]
            fn stored(bits: u64) -> Option<Point> {
                let point: fn(u64) -> Option<Point> = $store;
                point(bits)
            }
            #[inline(always)]
            fn loaded(bits: u64) -> Option<Point> {
                let point: fn(u64) -> Option<Point> = $load;
                point(bits)
            }
        }
    )*};
}

roles! {
    /// A word in which a target acknowledges: in the scoreboard 0 while a request is pending, else
    /// the generation acknowledged.
    Slot {
        store: |bits| Some(if bits == 0 { Point::Zero } else { Point::Acknowledge }),
        load: |_| None
    }
    /// The first word of a request that is written, and the first that is read.
    RequestHead { store: |_| Some(Point::Publish), load: |_| Some(Point::Copy) }
    /// The word of a request that holds its generation.
    Generation { store: |_| Some(Point::Generation), load: |_| None }
    /// Any other word of a request.
    RequestBody { store: |_| None, load: |_| None }
    /// The set of CPUs that may hold translations of one address space.
    Active { store: |_| Some(Point::Activate), load: |_| None }
    /// A word that only orders CPUs among themselves: a lock, a counter.
    Plain { store: |_| None, load: |_| None }
}

/// A word that several CPUs load and store, each access whole.
pub trait Word<V: Value>: Sync {
    /// Reads the word. `order` is `Relaxed`, `Acquire` or `SeqCst`.
    fn load(&self, order: Ordering) -> V;
    /// Writes the word. `order` is `Relaxed`, `Release` or `SeqCst`.
    fn store(&self, value: V, order: Ordering);
    /// Reads the word without passing a point: for the condition of a
    /// [`spin_until`](Machine::spin_until), which would pass it each time round, and for display.
    fn peek(&self, order: Ordering) -> V;
    /// Writes `value` and returns what stood there, in one step. On x86 a locked instruction, so
    /// also a full barrier (SDM vol. 3A, 9.2.3.9).
    fn swap(&self, value: V, order: Ordering) -> V;
    /// Sets the bits that are set in `bits` and returns what stood there; else as
    /// [`swap`](Word::swap). Passes the point of a store of `bits`.
    fn fetch_or(&self, bits: V, order: Ordering) -> V;
    /// Clears the bits that are clear in `bits` and returns what stood there; else as
    /// [`swap`](Word::swap). Passes no point.
    fn fetch_and(&self, bits: V, order: Ordering) -> V;
    /// Writes `new` if `current` stands there, in one step, and returns what stood there: as `Ok`
    /// if `new` was written. `order` is for that case; a failure is `Relaxed`. Else as
    /// [`swap`](Word::swap); passes the point of a store of `new`, written or not.
    fn compare_exchange(&self, current: V, new: V, order: Ordering) -> Result<V, V>;
}

/// Where an inter-processor interrupt goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// One ICR write with the all-but-self shorthand.
    AllButSelf,
    /// One ICR write for each CPU of the set, lowest number first.
    Each(CpuSet),
}

/// A wait was given up before its condition held: the shootdown has not happened everywhere, so
/// nothing may be freed on its account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abandoned;

/// One CPU's view of the machine, and the only way a protocol touches it.
pub trait Machine: Tlb + Sync + 'static {
    /// A word of this machine's shared memory.
    type Word<V: Value, R: Role>: Word<V>;

    /// A new shared word that holds `initial`, for use while a protocol is being built.
    fn word<V: Value, R: Role>(&self, initial: V) -> Self::Word<V, R>;

    /// The CPU this runs on. Stays true only while the caller is pinned, in a critical section or
    /// has interrupts off.
    fn me(&self) -> CpuId;

    /// The CPUs that run, this one included.
    fn online(&self) -> CpuSet;

    /// Whether no other CPU may be waited for: SMP has not started, a debugger holds the others, or
    /// the kernel has panicked. An initiator then invalidates locally only (protocol step 1), and
    /// may reuse what it unmapped: whoever holds the other CPUs has each flush everything before
    /// it runs on (I15).
    fn alone(&self) -> bool;

    /// The CPUs that may hold translations of `space`, one snapshot. The set changes without
    /// exclusion: ask once (I11). Every CPU for the kernel's space.
    fn active(&self, space: SpaceId) -> CpuSet;

    /// For an initiator, pinned, after its change of the tables of `space`: has every CPU that activates the space
    /// from now on forget what it kept of it (I9), and says who must be interrupted (I8). See
    /// [`Membership::announce`](crate::Membership::announce), of which this is the machine's.
    fn announce(&self, space: SpaceId) -> CpuSet {
        if self.mode().has_pcid() {
            self.forget_contexts(space);
        }
        self.fence(Ordering::SeqCst);
        self.active(space)
    }

    /// Keeps the running thread on its CPU until the matching [`unpin`](Machine::unpin). Nests.
    /// Passes [`Point::Pin`], pinned.
    fn pin(&self);
    /// Undoes one [`pin`](Machine::pin).
    fn unpin(&self);

    /// Enters a critical section: no preemption, interrupts as they were. Nests.
    fn enter_critical(&self);
    /// Leaves it; leaving the outermost performs a preemption that came due inside.
    fn leave_critical(&self);

    /// Whether this CPU takes maskable interrupts now.
    fn interrupts_enabled(&self) -> bool;
    /// Masks interrupts on this CPU.
    fn disable_interrupts(&self);
    /// Unmasks them.
    fn enable_interrupts(&self);

    /// A memory fence. `Release` and `Acquire` cost nothing on x86; `SeqCst` is the store-to-load
    /// barrier.
    fn fence(&self, order: Ordering);

    /// Sends the shootdown interrupt. Stores made before it are visible to a handler that it
    /// starts, and it is a store-to-load barrier: the transport adds the fence that x2APIC's
    /// WRMSR lacks (SDM vol. 3A, 11.12.3). Passes [`Point::Send`].
    fn send(&self, to: Destination);

    /// Sends it again to CPUs that have not answered: a [`send`](Machine::send) that the machine
    /// may count and record as what it is.
    fn resend(&self, to: CpuSet) {
        self.send(Destination::Each(to));
    }

    /// Repeats `condition`, relaxing the CPU between, until it holds. `condition` only
    /// [`peek`](Word::peek)s. Interrupts are taken meanwhile if they are enabled.
    ///
    /// Passes [`Point::Wait`] before the first try, and [`Point::Done`] when the condition held.
    ///
    /// # Errors
    /// [`Abandoned`] if the wait was given up, by a person or a watchdog.
    fn spin_until<F: FnMut() -> bool>(&self, condition: F) -> Result<(), Abandoned>;

    /// As [`spin_until`](Machine::spin_until), for a protocol that helps itself: calls `resend`
    /// when the wait has lasted for longer than an answer should take, by the machine's own
    /// measure, and again each time it has lasted for as long once more. `resend` may
    /// [`resend`](Machine::resend) and do nothing else. A machine without a measure never calls it.
    ///
    /// # Errors
    /// As [`spin_until`](Machine::spin_until).
    fn spin_resending<F, R>(&self, condition: F, resend: R) -> Result<(), Abandoned>
    where
        F: FnMut() -> bool,
        R: FnMut(),
    {
        let _ = resend;
        self.spin_until(condition)
    }

    /// For a handler: looks once for a request to serve. `find` only [`peek`](Word::peek)s, and
    /// returns what it found. Call it again after each request served, until it returns `None`
    /// (I6).
    ///
    /// Passes [`Point::Notice`] if there was one, else [`Point::Return`].
    fn scan<T, F: FnMut() -> Option<T>>(&self, find: F) -> Option<T>;

    /// For a handler: does on this CPU what `request` asks, see [`perform`](crate::perform).
    /// Passes [`Point::Invalidate`] first.
    fn invalidate(&self, request: &Request);

    /// For a handler, after its work: if no thread of the space whose tables this CPU uses runs on it, leaves that space
    /// for the kernel's tables, which takes it out of the active set and forgets all but global translations. So the
    /// next shootdown of the space does not ask this CPU, and its next thread of the space pays for the way back. As
    /// Linux's `leave_mm` from its handler. Returns whether it left. A machine without lazy CPUs never does.
    ///
    /// Costs a load of CR3 and a locked instruction, each of which is a full fence.
    fn leave_if_lazy(&self) -> bool {
        false
    }

    /// For an initiator: does the same as [`invalidate`](Machine::invalidate), and passes [`Point::LocalInvalidate`]
    /// first.
    fn invalidate_locally(&self, request: &Request);
}

/// A critical section that ends with the value, whichever way the function is left.
///
/// Holding one proves that the running thread stays on its CPU and that CPU runs no other thread.
#[must_use = "the critical section ends when this is dropped"]
pub struct Critical<'m, M: Machine>(&'m M);

impl<'m, M: Machine> Critical<'m, M> {
    /// Enters.
    #[inline(always)]
    pub fn enter(machine: &'m M) -> Self {
        machine.enter_critical();
        Critical(machine)
    }
}

impl<M: Machine> Drop for Critical<'_, M> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.leave_critical();
    }
}
