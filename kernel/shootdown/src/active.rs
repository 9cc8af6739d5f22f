//! Which CPUs may hold a space's translations, and the order in which a CPU enters and leaves a
//! space.
//!
//! The initiator stores a page-table entry, fences, then reads the active set. A CPU that enters
//! the space sets its bit, with a full barrier, then walks the tables. Of the two at least one
//! sees what the other wrote: either the initiator sees the bit and asks the CPU, or the CPU's
//! first walk finds the new entry (I8).

use crate::{Active, CpuSet, Machine, Word};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

/// The CPUs that may hold translations of one space (FreeBSD's `pm_active`).
pub struct ActiveSet<M: Machine>(M::Word<u64, Active>);

impl<M: Machine> ActiveSet<M> {
    /// A set without any CPU.
    pub fn new(m: &M) -> Self {
        ActiveSet(m.word(0))
    }

    /// The set at this moment, for [`Machine::active`]. It changes without exclusion; the caller
    /// has fenced whatever must come before (I8).
    #[inline(always)]
    pub fn snapshot(&self) -> CpuSet {
        CpuSet::from_bits(self.0.peek(Relaxed))
    }

    /// The word itself: a bit for each CPU.
    pub fn word(&self) -> &M::Word<u64, Active> {
        &self.0
    }

    /// This CPU enters: for [`activate`], which knows when. A locked instruction, and so the full
    /// barrier between the bit and the first walk, or the first look at the space's generation on
    /// this CPU (I8).
    pub fn enter(&self, m: &M) {
        self.0.fetch_or(CpuSet::only(m.me()).bits(), SeqCst);
    }

    /// This CPU leaves.
    fn leave(&self, m: &M) {
        self.0.fetch_and(!CpuSet::only(m.me()).bits(), SeqCst);
    }
}

/// Switches this CPU from the space of `from` to the space of `to`. `load` is to load CR3 with the
/// new tables and to record the space as current; in the PCID modes it first asks
/// [`Contexts::activate`](crate::Contexts::activate) for the PCID.
///
/// `None` stands for the kernel's own tables, whose space is active everywhere. Where a thread
/// without a space may keep running on its predecessor's tables, do not call this: as long as CR3
/// holds a space's tables, its bit must be set.
///
/// # Panics
/// With interrupts on: CR3 and the current space must change together as handlers see it (I10).
pub fn activate<M: Machine>(
    m: &M,
    from: Option<&ActiveSet<M>>,
    to: Option<&ActiveSet<M>>,
    load: impl FnOnce(),
) {
    assert!(
        !m.interrupts_enabled(),
        "activate: CPU {}: interrupts are on (rule I10: CR3 and the current space change as one)",
        m.me()
    );
    if let Some(to) = to {
        to.enter(m);
    }
    load();
    // Only now: until CR3 was loaded, this CPU could still fill its TLB from the old tables.
    if let Some(from) = from
        && !to.is_some_and(|to| core::ptr::eq(from, to))
    {
        from.leave(m);
    }
}

#[cfg(test)]
mod tests;
