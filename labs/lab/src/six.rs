//! Lab 6, *Who may hold it*: how a CPU enters and leaves a space, and whom an initiator asks.
//!
//! # Words
//! | word | who writes it | what it says |
//! |---|---|---|
//! | `spaces.active(space)` | any CPU, its own bit; locked | the CPUs that may hold translations of the space |
//! | `spaces.generation(space, cpu)` | `cpu`, with interrupts off; any CPU may clear it | in which generation of `cpu` the space got its PCID there; 0: what the TLB holds under it is not to be used |
//! | `spaces.present(cpu)` | `renew` on `cpu` | the generation of `cpu` itself, never 0 |
//!
//! `spaces.pcid(space, cpu)` is the PCID that the space last had there.
//! `spaces.renew(m, space)` gives it another on this CPU; when all are used up, it begins a new generation
//! of this CPU and hands out the same ones again.
//!
//! # PCIDs
//! `m.mode().has_pcid()` says whether there are any. Without them loading CR3 forgets all that the TLB holds of a
//! space, and the generations are not there: [`Spaces::cpus`] is empty. With them what the TLB holds stays under its PCID,
//! and [`Activation::keep`] decides whether it may be used when the space comes back.

pub use crate::*;
use alloc::boxed::Box;
pub use shootdown::{Activation, Pcid};
use shootdown::{Contexts, Plain};

/// Whether each pair of CPUs has a slot of its own.
pub const PAIRS: bool = true;
/// Whether a target acknowledges before it invalidates.
pub const EARLY: bool = true;

/// What a solution of lab 6 is: the type `Student` implements it.
pub trait Members: 'static {
    /// Switches this CPU from the tables of `from` to those of `to`; either may be the kernel's own,
    /// [`SpaceId::KERNEL`], which have no active set. Interrupts are off, and stay off (I10).
    ///
    /// Calls `load` once: it loads CR3 with the tables of `to` and the PCID that it is told, and records `to` as
    /// current. [`Activation::PLAIN`] is for the kernel's tables, and for machines without PCIDs.
    fn activate<M: Machine>(
        m: &M,
        spaces: Spaces<'_, M>,
        from: SpaceId,
        to: SpaceId,
        load: impl FnOnce(Activation),
    );

    /// Called by an initiator, pinned, after it has changed the tables of `space` and before it sends anything:
    /// the CPUs that must be asked to forget. A CPU that is left out must find the change when it enters the space
    /// (I8), and must not use what it kept of it (I9). Every CPU that is online may hold the kernel's.
    fn announce<M: Machine>(m: &M, spaces: Spaces<'_, M>, space: SpaceId) -> CpuSet;
}

/// The words of all spaces.
pub struct Spaces<'s, M: Machine>(&'s shootdown::Spaces<M>);

impl<M: Machine> Clone for Spaces<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Machine> Copy for Spaces<'_, M> {}

impl<'s, M: Machine> Spaces<'s, M> {
    /// The active set of `space`, a bit for each CPU (`CpuSet::only(m.me()).bits()` is this one's). `None` for the
    /// kernel's space.
    pub fn active(self, space: SpaceId) -> Option<&'s M::Word<u64, Active>> {
        Some(self.0.active(space)?.word())
    }

    /// The CPUs that have PCIDs: all or none.
    pub fn cpus(self) -> CpuSet {
        CpuSet::first(self.0.contexts().cpus())
    }

    /// The generation in which `space` got its PCID on `cpu`, 0 if what that PCID tags is not to be used. Its
    /// accesses cost a load or a store, and order nothing by themselves.
    ///
    /// # Panics
    /// If `cpu` is not among [`cpus`](Spaces::cpus).
    pub fn generation(self, space: SpaceId, cpu: CpuId) -> &'s M::Word<u32, Plain> {
        self.with_pcids(cpu).generation(space, cpu)
    }

    /// The present generation of `cpu`: [`renew`](Spaces::renew) begins the next when it must.
    ///
    /// # Panics
    /// As [`generation`](Spaces::generation).
    pub fn present(self, cpu: CpuId) -> &'s M::Word<u32, Plain> {
        self.with_pcids(cpu).present(cpu)
    }

    /// The PCID that `space` last had on `cpu`.
    ///
    /// # Panics
    /// As [`generation`](Spaces::generation).
    pub fn pcid(self, space: SpaceId, cpu: CpuId) -> Pcid {
        self.with_pcids(cpu).pcid(space, cpu)
    }

    /// Gives `space` a PCID on this CPU that no other space has in the CPU's present generation. What the TLB holds
    /// under it is another space's. Does not write [`generation`](Spaces::generation).
    ///
    /// # Panics
    /// As [`generation`](Spaces::generation).
    pub fn renew(self, m: &M, space: SpaceId) -> Pcid {
        self.with_pcids(m.me()).renew(m, space)
    }

    fn with_pcids(self, cpu: CpuId) -> &'s Contexts<M> {
        assert!(
            self.cpus().contains(cpu),
            "lab 6: CPU {cpu} has no PCIDs: ask `m.mode().has_pcid()` first"
        );
        self.0.contexts()
    }
}

/// The solution, as what a kernel asks for.
struct Given<S>(core::marker::PhantomData<fn() -> S>);

impl<S: Members, M: Machine> shootdown::Membership<M> for Given<S> {
    fn activate(
        &self,
        m: &M,
        spaces: &shootdown::Spaces<M>,
        from: SpaceId,
        to: SpaceId,
        load: &mut dyn FnMut(Activation),
    ) {
        S::activate(m, Spaces(spaces), from, to, load);
    }

    fn announce(&self, m: &M, spaces: &shootdown::Spaces<M>, space: SpaceId) -> CpuSet {
        S::announce(m, Spaces(spaces), space)
    }
}

/// How CPUs enter spaces: the solution's way.
pub fn membership<S: Members, M: Machine>() -> Option<Box<dyn shootdown::Membership<M>>> {
    Some(Box::new(Given::<S>(core::marker::PhantomData)))
}

kit_transport!(Members);

whole!(
    Members, Board,
    shoot: |m: &M, board: &Board<M>, request, targets| board.reference.shoot(m, request, targets),
    handle: |m: &M, board: &Board<M>| board.reference.handle(m),
    outstanding: |board: &Board<M>, cpu| board.reference.outstanding(cpu),
    protocol only
);
