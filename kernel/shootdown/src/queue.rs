//! The queue protocol: shootdowns in Linux's manner.
//!
//! Where the scoreboard has a slot for each pair of CPUs and the target looks at all of its row,
//! here every target has a *queue*, and every pair of CPUs an *entry* that the initiator puts on
//! the target's queue and the target takes off it:
//!
//! ```text
//!   queue of target 0   (empty)
//!   queue of target 1   entry (1, 2) -> entry (1, 0)     newest first; CPU 0 has found the queue
//!   queue of target 2   entry (2, 0)                       empty, and has sent the interrupt
//! ```
//!
//! # What differs from the scoreboard
//! - *The interrupt is sent only by whoever finds the queue empty.* Who finds an entry there knows
//!   that an interrupt is on its way, or a handler about to look again.
//! - *The acknowledgement is late*: after the invalidation. The entry is locked, its slot 0, from
//!   the moment it is put on the queue until then.
//! - *Generations of spaces* (`generations`) tell a target which changes it has invalidated
//!   already. A request that comes late, or twice, is then nothing to be done; one that comes
//!   after a gap is made good by invalidating all of the space.
//!
//! Requests, entries and queues are shared memory; the order is the same as with the scoreboard:
//! publish, zero, put on the queue, send, invalidate locally, wait.
//!
//! # An abandoned shootdown
//! leaves its entry locked, on the queue or taken off it. The CPU's next shootdown, before it
//! writes anything, interrupts the late targets again and waits for them (I3).
//!
//! Source: Linux, `smp_call_function_many_cond` and `__flush_smp_call_function_queue`
//! (kernel/smp.c), `flush_tlb_func` (arch/x86/mm/tlb.c), as described in protocol.md §10. Steps are
//! numbered as in §3, invariants as in §9.

mod generations;

use crate::protocol::broken;
use crate::scoreboard::RequestWords;
use crate::targets::Snapshot;
use crate::{
    Abandoned, Acknowledged, CpuId, CpuSet, Critical, Destination, Machine, Plain, Protocol,
    Request, RequestBody, RequestHead, RequestView, Settings, Slot, Targets, Word,
};
use alloc::boxed::Box;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use generations::Generations;

/// What one CPU asks of others. Written by that CPU only, while none of its entries is locked
/// (I3).
struct Outgoing<M: Machine> {
    words: RequestWords<M>,
    /// The space's generation that the request brings about; 0 if it is of no space's.
    space_generation: M::Word<u64, RequestBody>,
}

/// What lies between an initiator and a target (Linux's `call_single_data`).
struct Entry<M: Machine> {
    /// 0 while the entry is locked: from being put on the queue to the acknowledgement. Else the
    /// generation acknowledged last.
    slot: M::Word<u32, Slot>,
    /// The next one on the same list, as a [`link`].
    next: M::Word<u32, Plain>,
}

/// What is asked of one CPU. A cache line of its own: who asks one CPU does not disturb another.
#[repr(align(64))]
struct Inbox<M: Machine> {
    /// The newest entry on the queue, as a [`link`].
    queue: M::Word<u32, Plain>,
    /// The oldest of those taken off it and not yet served. The target's own affair; a word and no
    /// variable of the handler, so that one that ends early leaves them to the next.
    taken: M::Word<u32, Plain>,
}

/// The end of a list.
const NONE: u32 = 0;

/// How a list refers to the entry of `initiator`.
#[inline(always)]
const fn link(initiator: CpuId) -> u32 {
    initiator.index() as u32 + 1
}

/// The initiator whose entry a list refers to; `None` at its end.
#[inline(always)]
fn linked(link: u32) -> Option<CpuId> {
    CpuId::new((link as usize).checked_sub(1)?)
}

/// The protocol's state. Built before any other CPU runs (I13).
pub struct Queue<M: Machine> {
    requests: Box<[Outgoing<M>]>,
    inboxes: Box<[Inbox<M>]>,
    /// Target by target, an entry for each initiator.
    entries: Box<[Entry<M>]>,
    generations: Generations<M>,
    /// Nonzero if a shootdown of everyone is broadcast.
    broadcast: M::Word<u32, Plain>,
}

impl<M: Machine> Queue<M> {
    /// For CPUs 0 to `cpus - 1` and spaces 0 to `spaces - 1`, with nothing asked. A request about
    /// any other space is performed as it is asked. Of `settings` the first generation and the
    /// broadcast apply.
    pub fn new(m: &M, cpus: usize, spaces: usize, settings: Settings) -> Self {
        let before = settings.generation_before_first();
        let outgoing = |_| Outgoing {
            words: RequestWords::new(m, before),
            space_generation: m.word(0),
        };
        let inbox = |_| Inbox {
            queue: m.word(NONE),
            taken: m.word(NONE),
        };
        let entry = |_| Entry {
            slot: m.word(1),
            next: m.word(NONE),
        };
        Queue {
            requests: (0..cpus).map(outgoing).collect(),
            inboxes: (0..cpus).map(inbox).collect(),
            entries: (0..cpus * cpus).map(entry).collect(),
            generations: Generations::new(m, cpus, spaces),
            broadcast: m.word(u32::from(settings.broadcast)),
        }
    }

    #[inline(always)]
    fn entry(&self, target: CpuId, initiator: CpuId) -> &Entry<M> {
        &self.entries[target.index() * self.requests.len() + initiator.index()]
    }

    /// Steps 3 to 9. In a critical section.
    #[inline(always)]
    fn initiate(&self, m: &M, request: &Request, asked: &Snapshot) -> Result<u32, Abandoned> {
        let Snapshot { me, remote, .. } = *asked;
        let outgoing = &self.requests[me.index()];
        self.settle(m, me, outgoing)?;

        // Step 4. The change was made before this, and the set read: a target that finds the new
        // generation and invalidates finds the change as well.
        let space_generation = self.generations.advance(request);
        outgoing.words.publish(request);
        outgoing.space_generation.store(space_generation, Relaxed);

        // Steps 5 to 7.
        let mut unannounced = CpuSet::EMPTY;
        for target in remote {
            if self.enqueue(target, me) {
                unannounced = unannounced.with(target);
            }
        }
        self.announce(m, asked, unannounced);

        // Step 8, while the targets work. A handler that comes in between may do it first.
        if asked.local {
            let due = self.generations.due(me, request, space_generation);
            if let Some(due) = due {
                m.invalidate_locally(&due.request);
                self.generations.reached(me, &due);
            }
        }

        // Step 9.
        let generation = outgoing.words.generation.peek(Relaxed);
        for target in remote {
            let slot = &self.entry(target, me).slot;
            // Acquire: the target's reading of the request before this CPU's next writing of it.
            if m.spin_until(move || slot.peek(Acquire) == generation)
                .is_err()
            {
                return self.give_up(me);
            }
        }
        Ok(generation)
    }

    /// Locks the entry of `me` and puts it on the queue of `target`. Returns whether the queue was
    /// empty, so that nobody else has announced it.
    #[inline(always)]
    fn enqueue(&self, target: CpuId, me: CpuId) -> bool {
        let entry = self.entry(target, me);
        let queue = &self.inboxes[target.index()].queue;
        if entry.slot.peek(Relaxed) == 0 {
            broken(
                me,
                6,
                "the entry is locked already (I3: one request at a time)",
            );
        }
        entry.slot.store(0, Relaxed);
        let mut newest = queue.load(Relaxed);
        loop {
            entry.next.store(newest, Relaxed);
            // Release: every word of the request, and the lock, before the entry can be found (I1).
            // A locked instruction, and so the barrier between the entry and whatever follows (I2).
            match queue.compare_exchange(newest, link(me), Release) {
                Ok(_) => return newest == NONE,
                Err(other) => newest = other,
            }
        }
    }

    /// Interrupts those whose queue was empty.
    #[inline(always)]
    fn announce(&self, m: &M, asked: &Snapshot, unannounced: CpuSet) {
        if unannounced.is_empty() {
            return;
        }
        let everyone = asked.everyone && unannounced == asked.remote;
        m.send(if everyone && self.broadcast.peek(Relaxed) != 0 {
            Destination::AllButSelf
        } else {
            Destination::Each(unannounced)
        });
    }

    /// Remembers who is late, for [`settle_late`](Queue::settle_late).
    #[cold]
    fn give_up(&self, me: CpuId) -> Result<u32, Abandoned> {
        let late = self.locked(me).bits();
        self.requests[me.index()]
            .words
            .abandoned
            .store(late, Relaxed);
        Err(Abandoned)
    }

    /// Makes sure that no target may yet read this CPU's last request, nor find its entry (I3).
    #[inline(always)]
    fn settle(&self, m: &M, me: CpuId, outgoing: &Outgoing<M>) -> Result<(), Abandoned> {
        match outgoing.words.abandoned.load(Relaxed) {
            0 => Ok(()),
            late => self.settle_late(m, me, CpuSet::from_bits(late)),
        }
    }

    #[cold]
    fn settle_late(&self, m: &M, me: CpuId, late: CpuSet) -> Result<(), Abandoned> {
        m.resend(late);
        for target in late {
            let slot = &self.entry(target, me).slot;
            m.spin_until(move || slot.peek(Acquire) != 0)?;
        }
        self.requests[me.index()].words.abandoned.store(0, Relaxed);
        Ok(())
    }

    /// The targets whose entry for `initiator` is locked.
    fn locked(&self, initiator: CpuId) -> CpuSet {
        CpuSet::first(self.requests.len())
            .into_iter()
            .filter(|&target| self.entry(target, initiator).slot.peek(Acquire) == 0)
            .collect()
    }

    /// Moves what is on the queue of `inbox` to `taken`, the oldest first. Once that is empty.
    #[inline(always)]
    fn take(&self, me: CpuId, inbox: &Inbox<M>) {
        if inbox.queue.peek(Relaxed) == NONE {
            // Whoever adds to it from here on finds it empty, and sends the interrupt.
            return;
        }
        // Acquire: entries and requests after the link that led to them (I1).
        let mut rest = inbox.queue.swap(NONE, Acquire);
        let mut oldest = NONE;
        while let Some(initiator) = linked(rest) {
            let next = &self.entry(me, initiator).next;
            let after = next.load(Relaxed);
            next.store(oldest, Relaxed);
            (oldest, rest) = (rest, after);
        }
        inbox.taken.store(oldest, Relaxed);
    }

    fn has(&self, cpu: CpuId) -> bool {
        cpu.index() < self.requests.len()
    }
}

impl<M: Machine> Protocol<M> for Queue<M> {
    fn name(&self) -> &'static str {
        "queue"
    }

    /// The initiator.
    fn shoot(&self, m: &M, request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
        // Steps 0 to 2.
        let asked = Snapshot::take(m, &request, targets);
        if asked.remote.is_empty() {
            return Ok(asked.finish_locally(m, request));
        }

        // Step 3. Linux asks for interrupts too (`lockdep_assert_irqs_enabled`), and is preempted
        // no more than a scoreboard's initiator (`preempt_disable`).
        if !m.interrupts_enabled() {
            broken(
                asked.me,
                3,
                "interrupts are off (I7: a waiting initiator takes interrupts)",
            );
        }
        let critical = Critical::enter(m);
        let outcome = self.initiate(m, &request, &asked);

        // Step 10, in the order that the scoreboard's explains.
        m.unpin();
        drop(critical);
        outcome.map(|generation| Acknowledged::new(request, Some(generation), asked))
    }

    /// The target. Takes the whole queue and serves it in order, all of it: of those on it only the
    /// first has sent an interrupt (I6). Then it looks again, and so spares whoever has come
    /// meanwhile the wait for their own interrupt, which then finds nothing.
    fn handle(&self, m: &M) -> u32 {
        let me = m.me();
        let inbox = &self.inboxes[me.index()];
        let mut served = 0;
        loop {
            if inbox.taken.load(Relaxed) == NONE {
                self.take(me, inbox);
            }
            let Some(initiator) = m.scan(|| linked(inbox.taken.peek(Relaxed))) else {
                return served;
            };
            let entry = self.entry(me, initiator);
            inbox.taken.store(entry.next.load(Relaxed), Relaxed);
            let outgoing = &self.requests[initiator.index()];
            let (request, generation) = outgoing.words.copy();
            let space_generation = outgoing.space_generation.load(Relaxed);
            if let Some(due) = self.generations.due(me, &request, space_generation) {
                m.invalidate(&due.request);
                self.generations.reached(me, &due);
            }
            // Release: after the copy and after the invalidation; from here on the initiator may
            // write its next request, and use the entry for it (I4).
            entry.slot.store(generation, Release);
            served += 1;
        }
    }

    fn slot(&self, target: CpuId, initiator: CpuId) -> Option<&M::Word<u32, Slot>> {
        (self.has(target) && self.has(initiator)).then(|| &self.entry(target, initiator).slot)
    }

    fn head(&self, initiator: CpuId) -> Option<&M::Word<u64, RequestHead>> {
        Some(&self.requests.get(initiator.index())?.words.addr1)
    }

    fn request(&self, initiator: CpuId) -> Option<RequestView> {
        Some(self.requests.get(initiator.index())?.words.view())
    }

    fn outstanding(&self, initiator: CpuId) -> CpuSet {
        if self.has(initiator) {
            self.locked(initiator)
        } else {
            CpuSet::EMPTY
        }
    }

    fn broadcast(&self) -> Option<bool> {
        Some(self.broadcast.peek(Relaxed) != 0)
    }

    fn set_broadcast(&self, broadcast: bool) {
        self.broadcast.store(u32::from(broadcast), Relaxed);
    }
}

#[cfg(test)]
mod tests;
