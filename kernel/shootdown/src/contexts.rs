//! PCIDs: which tag a space's translations have on each CPU, and whether they are still good.
//!
//! With PCIDs a CPU that leaves a space keeps its translations, so a space must be invalidated
//! also where it is not current. Interrupting those CPUs would be waste. Instead each pair of
//! space and CPU has a generation: an activation keeps what the TLB holds only if that is the
//! CPU's own present generation. The initiator clears it wherever the space may be out of date,
//! *before* it reads the active set and sends the interrupt (I9; clearing it afterwards was
//! FreeBSD-EN-22:04.pcid).
//!
//! Source: FreeBSD's `pm_pcids`, `pmap_pcid_alloc_checked`, `pmap_invalidate_preipi_pcid`.

use crate::{CpuId, Machine, Pcid, Plain, SpaceId, Word};
use alloc::boxed::Box;
use core::sync::atomic::Ordering::Relaxed;

/// What one space is on one CPU. Both words are the CPU's own to write, with interrupts off, but
/// that any CPU may clear the generation.
struct Context<M: Machine> {
    pcid: M::Word<u32, Plain>,
    /// The CPU's generation in which `pcid` was handed out; 0 if nothing tagged with it is good.
    generation: M::Word<u32, Plain>,
}

/// How a CPU hands out PCIDs: upwards, and from the first again in a new generation.
struct Allocator<M: Machine> {
    next: M::Word<u32, Plain>,
    generation: M::Word<u32, Plain>,
}

/// The PCIDs of every space on every CPU.
pub struct Contexts<M: Machine> {
    cpus: usize,
    limit: u32,
    /// Space by space, a CPU's context each.
    contexts: Box<[Context<M>]>,
    allocators: Box<[Allocator<M>]>,
}

/// How to load CR3 for a space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Activation {
    /// The PCID; its [`user`](Pcid::user) one goes with it.
    pub pcid: Pcid,
    /// Whether translations with that PCID, and its user one, may be kept: CR3's bit 63. If not,
    /// both are to be flushed at once. A flush of the user PCID deferred to the way out would be
    /// lost with a switch before that, and the next activation says to keep.
    pub keep: bool,
}

/// The first PCID that a space may have; 0 is the kernel's own.
const FIRST: u32 = 1;

impl<M: Machine> Contexts<M> {
    /// For spaces 0 to `spaces - 1` on CPUs 0 to `cpus - 1`, with PCIDs below `limit`: 0x800
    /// leaves each its user PCID.
    ///
    /// # Panics
    /// If `limit` leaves no PCID, or goes beyond 0x800.
    pub fn new(m: &M, spaces: usize, cpus: usize, limit: u16) -> Self {
        assert!(
            (2..=0x800).contains(&limit),
            "Contexts: no PCIDs from 1 up to {limit:#x}"
        );
        let context = |_| Context {
            pcid: m.word(0),
            generation: m.word(0),
        };
        let allocator = |_| Allocator {
            next: m.word(FIRST),
            generation: m.word(1),
        };
        Contexts {
            cpus,
            limit: limit.into(),
            contexts: (0..spaces * cpus).map(context).collect(),
            allocators: (0..cpus).map(allocator).collect(),
        }
    }

    /// How many CPUs there are: numbers 0 to `cpus - 1`.
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    fn context(&self, space: SpaceId, cpu: CpuId) -> &Context<M> {
        &self.contexts[space.0 as usize * self.cpus + cpu.index()]
    }

    /// The generation of `cpu` in which `space` got its PCID there; 0 if what that PCID tags is not to be used.
    /// The CPU's own to write, with interrupts off; but any CPU may clear it.
    pub fn generation(&self, space: SpaceId, cpu: CpuId) -> &M::Word<u32, Plain> {
        &self.context(space, cpu).generation
    }

    /// The present generation of `cpu`, never 0. Its own affair.
    pub fn present(&self, cpu: CpuId) -> &M::Word<u32, Plain> {
        &self.allocators[cpu.index()].generation
    }

    /// Where the next PCID of `cpu` stands, and where that of `space` there.
    pub fn words(&self, space: SpaceId, cpu: CpuId) -> [&M::Word<u32, Plain>; 2] {
        [
            &self.allocators[cpu.index()].next,
            &self.context(space, cpu).pcid,
        ]
    }

    /// Gives `space` a PCID of this CPU that no other space has in its present generation, which it may have to
    /// begin: whatever the PCID tags is another's, and must go. With interrupts off.
    pub fn renew(&self, m: &M, space: SpaceId) -> Pcid {
        let cpu = m.me();
        let pcid = self.allocate(&self.allocators[cpu.index()]);
        self.context(space, cpu).pcid.store(pcid, Relaxed);
        Pcid(pcid as u16)
    }

    /// The PCID that `space` last had on `cpu`.
    pub fn pcid(&self, space: SpaceId, cpu: CpuId) -> Pcid {
        Pcid(self.context(space, cpu).pcid.peek(Relaxed) as u16)
    }

    /// For [`Tlb::forget_contexts`](crate::Tlb::forget_contexts): the next activation of `space`
    /// flushes, on every CPU. The caller makes a full fence follow.
    ///
    /// Where the space is current that costs one flush more than need be, for there the
    /// invalidation itself does the work. FreeBSD spares the initiator's own current space; that
    /// would only be right if no preemption came between looking what is current, here, and
    /// invalidating locally, later.
    ///
    /// Also what makes a space's number fit for another space, once no CPU is active in the old.
    /// Nothing for the kernel's space, whose translations go by INVLPG or the global flush under
    /// every PCID.
    pub fn forget(&self, space: SpaceId) {
        if space == SpaceId::KERNEL {
            return;
        }
        for cpu in (0..self.cpus).filter_map(CpuId::new) {
            self.context(space, cpu).generation.store(0, Relaxed);
        }
    }

    /// The PCID under which this CPU is to run `space` from now on. After the CPU entered the
    /// active set (with a full barrier, I8), with interrupts off until CR3 is loaded accordingly
    /// (I10).
    pub fn activate(&self, m: &M, space: SpaceId) -> Activation {
        if space == SpaceId::KERNEL {
            return Activation {
                pcid: Pcid::KERNEL,
                keep: true,
            };
        }
        let cpu = m.me();
        let context = self.context(space, cpu);
        let allocator = &self.allocators[cpu.index()];
        if context.generation.load(Relaxed) == allocator.generation.load(Relaxed) {
            return Activation {
                pcid: self.pcid(space, cpu),
                keep: true,
            };
        }
        let pcid = self.renew(m, space);
        // After the active bit, so clearing it from now on comes with an interrupt for this CPU.
        context
            .generation
            .store(allocator.generation.load(Relaxed), Relaxed);
        Activation { pcid, keep: false }
    }

    /// The next PCID. Having handed out the last, begins a new generation: every space then on
    /// this CPU gets another at its next activation, and the load that comes with it flushes what
    /// an earlier owner left. (After 2^32 generations an idle space could be mistaken for fresh.)
    fn allocate(&self, allocator: &Allocator<M>) -> u32 {
        let mut pcid = allocator.next.load(Relaxed);
        if pcid >= self.limit {
            let generation = match allocator.generation.load(Relaxed).wrapping_add(1) {
                0 => 1, // 0 means "cleared".
                next => next,
            };
            allocator.generation.store(generation, Relaxed);
            pcid = FIRST;
        }
        allocator.next.store(pcid + 1, Relaxed);
        pcid
    }
}

#[cfg(test)]
mod tests;
