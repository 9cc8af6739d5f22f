//! Every space's active set and PCIDs, and the two moments at which they must be in order: a CPU activates a
//! space, and an initiator asks whom to interrupt.

use crate::contexts::Contexts;
use crate::{Activation, ActiveSet, CpuSet, Machine, Pcid, SpaceId, activate};
use alloc::boxed::Box;
use core::sync::atomic::Ordering::SeqCst;

/// The active sets and PCIDs of all spaces.
pub struct Spaces<M: Machine> {
    /// By number; that of the kernel's space is not used.
    active: Box<[ActiveSet<M>]>,
    contexts: Contexts<M>,
}

impl<M: Machine> Spaces<M> {
    /// For spaces 0 to `spaces - 1` on CPUs 0 to `cpus - 1`, with PCIDs from 1 up to `pcids`, which is left out:
    /// see [`Contexts::new`]. A machine without PCIDs says that it has them for no CPU.
    ///
    /// # Panics
    /// As [`Contexts::new`].
    pub fn new(m: &M, spaces: usize, cpus: usize, pcids: u16) -> Self {
        Spaces {
            active: (0..spaces).map(|_| ActiveSet::new(m)).collect(),
            contexts: Contexts::new(m, spaces, cpus, pcids),
        }
    }

    /// The active set of `space`; `None` for the kernel's, which is active everywhere.
    ///
    /// # Panics
    /// If there is no such space.
    #[inline(always)]
    pub fn active(&self, space: SpaceId) -> Option<&ActiveSet<M>> {
        (space != SpaceId::KERNEL).then(|| &self.active[space.0 as usize])
    }

    /// Every active set, by its space's number.
    pub fn active_sets(&self) -> &[ActiveSet<M>] {
        &self.active
    }

    /// The PCIDs.
    pub fn contexts(&self) -> &Contexts<M> {
        &self.contexts
    }

    /// The CPUs that may hold translations of `space` at this moment, one snapshot (I11).
    #[inline(always)]
    pub fn holders(&self, m: &M, space: SpaceId) -> CpuSet {
        match self.active(space) {
            Some(active) => active.snapshot(),
            None => m.online(),
        }
    }
}

/// Who may hold a space's translations: how CPUs come to be in the active set, and how an initiator asks.
pub trait Membership<M: Machine>: Sync {
    /// Switches this CPU from the tables of `from` to those of `to`; either may be the kernel's own. Calls `load`
    /// once, which loads CR3 as it is told and records the space as current, before it returns. With interrupts off
    /// (I10).
    fn activate(
        &self,
        m: &M,
        spaces: &Spaces<M>,
        from: SpaceId,
        to: SpaceId,
        load: &mut dyn FnMut(Activation),
    );

    /// The CPUs that must be asked to forget what this CPU has just changed in the tables of `space`. Whoever is
    /// not among them finds the new tables when it activates the space (I8), and forgets then what it kept (I9).
    /// Called once for each shootdown, by a pinned thread.
    fn announce(&self, m: &M, spaces: &Spaces<M>, space: SpaceId) -> CpuSet;
}

/// The kit's own: FreeBSD's `pmap_activate_sw` and the beginning of `smp_targeted_tlb_shootdown`.
#[derive(Clone, Copy, Debug)]
pub struct Standard;

impl<M: Machine> Membership<M> for Standard {
    fn activate(
        &self,
        m: &M,
        spaces: &Spaces<M>,
        from: SpaceId,
        to: SpaceId,
        load: &mut dyn FnMut(Activation),
    ) {
        activate(m, spaces.active(from), spaces.active(to), || {
            load(if m.mode().has_pcid() {
                spaces.contexts.activate(m, to)
            } else {
                Activation::PLAIN
            });
        });
    }

    #[inline(always)]
    fn announce(&self, m: &M, spaces: &Spaces<M>, space: SpaceId) -> CpuSet {
        if m.mode().has_pcid() {
            // Before the set is read, and so before the IPI: a CPU that enters the space too late
            // to be asked finds its generation cleared, and flushes (I8, I9).
            spaces.contexts.forget(space);
        }
        // The change and the cleared generations before the set is read. Without this fence both
        // stores could wait in the store buffer while the set is read, and a CPU entering the
        // space at that moment would see the old page table and not be asked (I8). FreeBSD has it
        // in PCID mode only, as its page-table writes are locked instructions.
        m.fence(SeqCst);
        spaces.holders(m, space)
    }
}

impl Activation {
    /// On a machine without PCIDs: CR3 is loaded, and forgets all that is not global.
    pub const PLAIN: Activation = Activation {
        pcid: Pcid::KERNEL,
        keep: false,
    };
}
