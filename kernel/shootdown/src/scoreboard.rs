//! The scoreboard protocol: parallel shootdowns without a lock.
//!
//! Every CPU has a *request*, which it alone writes, and every pair of CPUs a *slot*, through
//! which one asks and the other acknowledges:
//!
//! ```text
//!                       initiator 0   1   2   3
//!   row of target 0              [1   1   1   1]
//!   row of target 1              [5   1   0   1]    CPU 1 acknowledged CPU 0's request 5;
//!   row of target 2              [5   1   1   1]      CPU 2's request is pending for it
//!   row of target 3              [0   1   9   1]    CPU 0 waits for CPU 3
//! ```
//!
//! A target scans one row, which is contiguous. An initiator touches one word in each target's
//! row. A slot is zeroed by its initiator and made nonzero by its target, in turn, so each word
//! has one writer at a time and no operation here is a locked one.
//!
//! Read on in this order: `RequestWords`, [`Scoreboard`], its `shoot` and `initiate`, its `handle`.
//!
//! # An abandoned shootdown
//! FreeBSD's initiator waits without a timeout. Here [`Machine::spin_until`] may give up, and the
//! shootdown ends in [`Abandoned`] with slots still at zero. A target may serve those at any later
//! time, so the request stays as it is (I3): the CPU's next shootdown, before it writes anything,
//! interrupts the late targets again (the first interrupt may be what was lost) and waits for them.
//!
//! # With resending
//! A lost interrupt is lost for good: the slot stays 0, the target has nothing that would have it
//! look, and FreeBSD's initiator waits for ever (protocol.md §8.7). With [`Settings::resend`] a
//! wait that lasts too long sends the interrupt again to whoever is late, as Linux's
//! `CSD_LOCK_WAIT_DEBUG` does (`csd_lock_wait_toolong`, kernel/smp.c). Nothing else changes: a
//! target that was merely slow finds no zero when the second interrupt arrives, and returns.
//!
//! Source: FreeBSD commit dc43978aa578 ("amd64: allow parallel shootdown IPIs", D25510), as
//! described in protocol.md §1 to §4. Steps are numbered as in §3, invariants as in §9.

use crate::protocol::{broken, next_generation};
use crate::targets::Snapshot;
use crate::{
    Abandoned, Acknowledged, CpuId, CpuSet, Critical, Destination, Generation, Machine, Operation,
    Plain, Protocol, Request, RequestBody, RequestHead, RequestView, Settings, Slot, Targets, Word,
};
use alloc::boxed::Box;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use layout::{Column, Rows, SLOTS_PER_LINE};

mod layout;

/// What one CPU asks of others. Written by that CPU only, in a critical section, and not while a
/// slot in its column is zero (I3). A cache line of its own, so that publishing disturbs nobody.
#[repr(align(64))]
pub struct RequestWords<M: Machine> {
    /// The first page's address. Written first, and read first.
    pub addr1: M::Word<u64, RequestHead>,
    /// The exclusive end.
    pub addr2: M::Word<u64, RequestBody>,
    /// The space's number.
    pub space: M::Word<u32, RequestBody>,
    /// What the slots are to hold when the request is acknowledged; never 0 (I12).
    pub generation: M::Word<u32, Generation>,
    /// The operation's number.
    pub operation: M::Word<u32, RequestBody>,
    /// The targets that had not acknowledged when this CPU gave up waiting. Its own affair.
    pub(crate) abandoned: M::Word<u64, Plain>,
}

impl<M: Machine> RequestWords<M> {
    pub(crate) fn new(m: &M, generation: u32) -> Self {
        RequestWords {
            addr1: m.word(0),
            addr2: m.word(0),
            space: m.word(0),
            generation: m.word(generation),
            operation: m.word(Operation::Space as u32),
            abandoned: m.word(0),
        }
    }

    /// Writes the request under its next generation, in no order that others could rely on.
    #[inline(always)]
    pub fn publish(&self, request: &Request) {
        self.addr1.store(request.start(), Relaxed);
        self.addr2.store(request.end(), Relaxed);
        self.space.store(request.space_id().0, Relaxed);
        let generation = next_generation(self.generation.load(Relaxed));
        self.generation.store(generation, Relaxed);
        self.operation.store(request.operation() as u32, Relaxed);
    }

    /// Reads the request and its generation.
    ///
    /// # Panics
    /// If the words hold no request: they were read before they were written (I1).
    #[inline(always)]
    pub fn copy(&self) -> (Request, u32) {
        let addr1 = self.addr1.load(Relaxed);
        let addr2 = self.addr2.load(Relaxed);
        let space = self.space.load(Relaxed);
        let generation = self.generation.load(Relaxed);
        let operation = Operation::from_bits(self.operation.load(Relaxed))
            .expect("a request whose operation word is no operation (rule I1)");
        (
            Request::from_words(operation, space, addr1, addr2),
            generation,
        )
    }

    /// The words as they stand.
    pub fn view(&self) -> RequestView {
        RequestView {
            addr1: self.addr1.peek(Relaxed),
            addr2: self.addr2.peek(Relaxed),
            space: self.space.peek(Relaxed),
            generation: self.generation.peek(Relaxed),
            operation: self.operation.peek(Relaxed),
        }
    }
}

/// The protocol's state: a request for each CPU and a slot for each pair. Built before any other
/// CPU runs (I13).
pub struct Scoreboard<M: Machine> {
    requests: Box<[RequestWords<M>]>,
    slots: Box<[M::Word<u32, Slot>]>,
    rows: Rows,
    /// Nonzero if a shootdown of everyone is broadcast.
    broadcast: M::Word<u32, Plain>,
    /// Whether a late target is interrupted again.
    resend: bool,
}

impl<M: Machine> Scoreboard<M> {
    /// A scoreboard for CPUs 0 to `cpus - 1`, with no request pending: every slot is 1 (I13).
    pub fn new(m: &M, cpus: usize, settings: Settings) -> Self {
        let stride = Rows::stride(cpus, settings.padded);
        // A line's worth more than the rows, so that the first can begin where a line does.
        let words = cpus * stride + SLOTS_PER_LINE - 1;
        let slots: Box<[_]> = (0..words).map(|_| m.word(1)).collect();
        let base = slots.as_ptr().align_offset(64).min(SLOTS_PER_LINE - 1);
        let rows = Rows { base, stride };
        let before = settings.generation_before_first();
        Scoreboard {
            requests: (0..cpus).map(|_| RequestWords::new(m, before)).collect(),
            slots,
            rows,
            broadcast: m.word(u32::from(settings.broadcast)),
            resend: settings.resend,
        }
    }

    /// What `initiator` asks.
    ///
    /// # Panics
    /// If there is no such CPU.
    pub fn request_words(&self, initiator: CpuId) -> &RequestWords<M> {
        &self.requests[initiator.index()]
    }

    /// Whether each row has cache lines of its own.
    pub fn padded(&self) -> bool {
        self.rows.stride.is_multiple_of(SLOTS_PER_LINE)
    }

    /// What `target` scans.
    #[inline(always)]
    fn row(&self, target: CpuId) -> &[M::Word<u32, Slot>] {
        let start = self.rows.index(target, 0);
        &self.slots[start..start + self.requests.len()]
    }

    /// What `initiator` zeroes and waits for.
    #[inline(always)]
    fn column(&self, initiator: CpuId) -> Column<'_, M> {
        let first = self.rows.base + initiator.index();
        Column {
            slots: &self.slots[first..],
            stride: self.rows.stride,
        }
    }

    /// Steps 3 to 9: publishes, zeroes, sends, invalidates locally, waits. In a critical section.
    #[inline(always)]
    fn initiate(&self, m: &M, request: &Request, asked: &Snapshot) -> Result<u32, Abandoned> {
        let Snapshot { me, remote, .. } = *asked;
        let words = &self.requests[me.index()];
        let column = self.column(me);
        self.settle(m, me, words)?;

        // Step 4.
        words.publish(request);

        // Step 5. Every word of the request before the zero that announces it, or a target could
        // copy the one before (I1).
        m.fence(Release);

        // Step 6.
        for target in remote {
            let slot = column.slot_of(target);
            if slot.peek(Relaxed) == 0 {
                broken(
                    me,
                    6,
                    "the slot is zero already (I3: one request at a time)",
                );
            }
            slot.store(0, Relaxed);
        }

        // Step 7. The send is also the store-to-load barrier between the zeros and the wait: a
        // zero still in the store buffer when the interrupt is taken would not be seen, and
        // nothing would announce it again (I2).
        let broadcast = asked.everyone && self.broadcast.peek(Relaxed) != 0;
        m.send(if broadcast {
            Destination::AllButSelf
        } else {
            Destination::Each(remote)
        });

        // Step 8, while the targets work.
        asked.invalidate_locally(m, request);

        // Step 9. Interrupts are on, so this CPU serves the others' requests meanwhile; else two
        // initiators would wait for each other for ever (I7).
        let generation = words.generation.peek(Relaxed);
        for target in remote {
            let slot = column.slot_of(target);
            // Acquire: the target's reading of the request before this CPU's next writing of it.
            let waited = self.wait(m, me, move || slot.peek(Acquire) == generation);
            if waited.is_err() {
                return self.give_up(me);
            }
        }
        Ok(generation)
    }

    /// Waits for `condition`, which late targets are to make true.
    #[inline(always)]
    fn wait(&self, m: &M, me: CpuId, condition: impl FnMut() -> bool) -> Result<(), Abandoned> {
        if self.resend {
            m.spin_resending(condition, move || m.resend(self.outstanding_of(me)))
        } else {
            m.spin_until(condition)
        }
    }

    /// Remembers who is late, for [`settle_late`](Scoreboard::settle_late).
    #[cold]
    fn give_up(&self, me: CpuId) -> Result<u32, Abandoned> {
        let late = self.outstanding_of(me);
        self.requests[me.index()]
            .abandoned
            .store(late.bits(), Relaxed);
        Err(Abandoned)
    }

    /// Makes sure that no target may yet read this CPU's last request (I3).
    #[inline(always)]
    fn settle(&self, m: &M, me: CpuId, words: &RequestWords<M>) -> Result<(), Abandoned> {
        match words.abandoned.load(Relaxed) {
            0 => Ok(()),
            late => self.settle_late(m, me, CpuSet::from_bits(late)),
        }
    }

    #[cold]
    fn settle_late(&self, m: &M, me: CpuId, late: CpuSet) -> Result<(), Abandoned> {
        let column = self.column(me);
        m.resend(late);
        for target in late {
            let slot = column.slot_of(target);
            // This interrupt may be lost as the first one was.
            self.wait(m, me, move || slot.peek(Acquire) != 0)?;
        }
        self.requests[me.index()].abandoned.store(0, Relaxed);
        Ok(())
    }

    /// The targets whose slot for `initiator` is zero.
    fn outstanding_of(&self, initiator: CpuId) -> CpuSet {
        let column = self.column(initiator);
        (0..self.requests.len())
            .filter_map(CpuId::new)
            .filter(|&target| column.slot_of(target).peek(Acquire) == 0)
            .collect()
    }

    fn has(&self, cpu: CpuId) -> bool {
        cpu.index() < self.requests.len()
    }
}

impl<M: Machine> Protocol<M> for Scoreboard<M> {
    fn name(&self) -> &'static str {
        if self.resend {
            "scoreboard-resend"
        } else {
            "scoreboard"
        }
    }

    /// The initiator.
    fn shoot(&self, m: &M, request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
        // Steps 0 to 2.
        let asked = Snapshot::take(m, &request, targets);
        if asked.remote.is_empty() {
            return Ok(asked.finish_locally(m, request));
        }

        // Step 3. Interrupts stay on, so that no interrupt of others waits for this CPU; the
        // critical section keeps other threads off this CPU's request (I3, claim 4).
        if !m.interrupts_enabled() {
            broken(
                asked.me,
                3,
                "interrupts are off (I7: a waiting initiator takes interrupts)",
            );
        }
        let critical = Critical::enter(m);
        let outcome = self.initiate(m, &request, &asked);

        // Step 10. In this order: a preemption that is owed happens as the section ends, and may
        // then move the thread to any CPU.
        m.unpin();
        drop(critical);
        outcome.map(|generation| Acknowledged::new(request, Some(generation), asked))
    }

    /// The target. Scans from CPU 0 again after each request it served, until it sees no zero: an
    /// initiator that zeroed a slot behind the scan has sent an interrupt, but the local APIC
    /// keeps only one pending, so that interrupt may stand for several zeros (I6).
    fn handle(&self, m: &M) -> u32 {
        let row = self.row(m.me());
        let mut served = 0;
        let pending = || {
            let mut columns = row.iter().zip(&self.requests);
            columns.find(|(slot, _)| slot.peek(Relaxed) == 0)
        };
        while let Some((slot, words)) = m.scan(pending) {
            // The request after the zero that announced it (I1).
            m.fence(Acquire);
            let (request, generation) = words.copy();
            // Acknowledge before invalidating (claim 5): the interrupted code does not run before
            // this handler has ended, so it cannot use what is about to be invalidated (I5).
            // Release: after the copy, for from here on the initiator may write its next request
            // (I4).
            slot.store(generation, Release);
            m.invalidate(&request);
            served += 1;
        }
        served
    }

    fn slot(&self, target: CpuId, initiator: CpuId) -> Option<&M::Word<u32, Slot>> {
        (self.has(target) && self.has(initiator)).then(|| self.column(initiator).slot_of(target))
    }

    fn head(&self, initiator: CpuId) -> Option<&M::Word<u64, RequestHead>> {
        Some(&self.requests.get(initiator.index())?.addr1)
    }

    fn request(&self, initiator: CpuId) -> Option<RequestView> {
        Some(self.requests.get(initiator.index())?.view())
    }

    fn outstanding(&self, initiator: CpuId) -> CpuSet {
        if self.has(initiator) {
            self.outstanding_of(initiator)
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
