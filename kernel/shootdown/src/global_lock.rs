//! What the scoreboard replaced: one request for the whole machine, under one spin lock.
//!
//! An initiator takes the lock, writes *the* request, sends the interrupt and waits until every
//! target's *done* word holds the request's generation. A target performs the request and then
//! stores the generation: here the acknowledgement comes after the invalidation.
//!
//! # What is wrong with it
//! One shootdown at a time in the whole machine. Its holder's interrupts are off for the round
//! trip. The request and the lock are lines that all CPUs fight for.
//!
//! # Interrupts
//! FreeBSD's spin mutex disables interrupts, tries, and while the mutex is taken enables them
//! again and waits for it to look free (`_mtx_lock_spin_cookie`). So a CPU that waits for the lock
//! still answers the holder, who waits for it; else the two would wait for each other for ever.
//! The holder has interrupts off, and can afford to: while it holds the lock there is no other
//! request that it would have to answer.
//!
//! # An abandoned shootdown
//! releases the lock, with its request in place. The next holder, whichever CPU that is, interrupts
//! the late targets again and waits for them before it writes anything.
//!
//! Source: FreeBSD before dc43978aa578, `smp_targeted_tlb_shootdown` under `smp_ipi_mtx`, as
//! described in protocol.md §7.

use crate::protocol::{broken, next_generation};
use crate::targets::Snapshot;
use crate::{
    Abandoned, Acknowledged, CpuId, CpuSet, Destination, Generation, Machine, Operation, Plain,
    Protocol, Request, RequestBody, RequestHead, RequestView, Settings, Slot, Targets, Word,
};
use alloc::boxed::Box;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The generation whose request a CPU last performed; a cache line of its own.
#[repr(align(64))]
struct Done<M: Machine>(M::Word<u32, Slot>);

/// The protocol's state. Built before any other CPU runs.
pub struct GlobalLock<M: Machine> {
    /// The number of the CPU that holds the lock, plus one; 0 while it is free.
    lock: M::Word<u32, Plain>,
    addr1: M::Word<u64, RequestHead>,
    /// Exclusive.
    addr2: M::Word<u64, RequestBody>,
    space: M::Word<u32, RequestBody>,
    operation: M::Word<u32, RequestBody>,
    generation: M::Word<u32, Generation>,
    /// The CPU whose request it is.
    initiator: M::Word<u32, Plain>,
    /// The CPUs it was sent to.
    targets: M::Word<u64, Plain>,
    broadcast: bool,
    done: Box<[Done<M>]>,
}

/// Holding one proves that this CPU alone writes the request, with interrupts off.
struct Held<'p, M: Machine> {
    protocol: &'p GlobalLock<M>,
    machine: &'p M,
}

impl<M: Machine> Drop for Held<'_, M> {
    fn drop(&mut self) {
        // Release: this holder's words before the next one's.
        self.protocol.lock.store(0, Release);
        self.machine.enable_interrupts();
    }
}

impl<M: Machine> GlobalLock<M> {
    /// For CPUs 0 to `cpus - 1`, with nothing asked. `settings.padded` does not apply.
    pub fn new(m: &M, cpus: usize, settings: Settings) -> Self {
        let before = settings.generation_before_first();
        GlobalLock {
            lock: m.word(0),
            addr1: m.word(0),
            addr2: m.word(0),
            space: m.word(0),
            operation: m.word(Operation::Space as u32),
            generation: m.word(before),
            initiator: m.word(0),
            targets: m.word(0),
            broadcast: settings.broadcast,
            done: (0..cpus).map(|_| Done(m.word(before))).collect(),
        }
    }

    /// Takes the lock; waits for it with interrupts on.
    fn acquire<'p>(&'p self, machine: &'p M, me: CpuId) -> Result<Held<'p, M>, Abandoned> {
        let mine = me.index() as u32 + 1;
        loop {
            machine.disable_interrupts();
            if self.lock.compare_exchange(0, mine, Acquire).is_ok() {
                return Ok(Held {
                    protocol: self,
                    machine,
                });
            }
            machine.enable_interrupts();
            machine.spin_until(|| self.lock.peek(Relaxed) == 0)?;
        }
    }

    /// The lock: 0 while it is free, else the number of the CPU that holds it, plus one.
    pub fn lock(&self) -> &M::Word<u32, Plain> {
        &self.lock
    }

    /// Writes the request under its next generation, which it returns. For the lock's holder.
    pub fn publish(&self, request: &Request, asked: &Snapshot) -> u32 {
        self.addr1.store(request.start(), Relaxed);
        self.addr2.store(request.end(), Relaxed);
        self.space.store(request.space_id().0, Relaxed);
        self.operation.store(request.operation() as u32, Relaxed);
        self.initiator.store(asked.me.index() as u32, Relaxed);
        self.targets.store(asked.remote.bits(), Relaxed);
        let generation = next_generation(self.generation.load(Relaxed));
        // Release: a handler that reads this generation reads this request (I1).
        self.generation.store(generation, Release);
        generation
    }

    /// Waits until each of `targets` has performed the request of `generation`.
    fn wait(&self, m: &M, targets: CpuSet, generation: u32) -> Result<(), Abandoned> {
        for target in targets {
            let done = &self.done[target.index()].0;
            m.spin_until(move || done.peek(Acquire) == generation)?;
        }
        Ok(())
    }

    /// Sees to it that an abandoned request is no longer read before the next is written (I3).
    fn settle(&self, m: &M, _held: &Held<'_, M>) -> Result<(), Abandoned> {
        let generation = self.generation.load(Relaxed);
        let late = self.late();
        if late.is_empty() {
            return Ok(());
        }
        let me = m.me();
        if late.contains(me) {
            // Interrupts are off: this CPU cannot be interrupted, but it can serve itself.
            self.handle(m);
        }
        m.resend(late.without(me));
        self.wait(m, late, generation)
    }

    /// The CPUs that were asked and have not acknowledged.
    fn late(&self) -> CpuSet {
        let generation = self.generation.peek(Relaxed);
        CpuSet::from_bits(self.targets.peek(Relaxed))
            .into_iter()
            .filter(|target| self.done[target.index()].0.peek(Acquire) != generation)
            .collect()
    }

    fn initiate(&self, m: &M, request: &Request, asked: &Snapshot) -> Result<u32, Abandoned> {
        let held = self.acquire(m, asked.me)?;
        self.settle(m, &held)?;
        let generation = self.publish(request, asked);
        let broadcast = asked.everyone && self.broadcast;
        m.send(if broadcast {
            Destination::AllButSelf
        } else {
            Destination::Each(asked.remote)
        });
        asked.invalidate_locally(m, request);
        self.wait(m, asked.remote, generation)?;
        Ok(generation)
    }
}

impl<M: Machine> Protocol<M> for GlobalLock<M> {
    fn name(&self) -> &'static str {
        "global-lock"
    }

    fn shoot(&self, m: &M, request: Request, targets: Targets) -> Result<Acknowledged, Abandoned> {
        let asked = Snapshot::take(m, &request, targets);
        if asked.remote.is_empty() {
            return Ok(asked.finish_locally(m, request));
        }
        if !m.interrupts_enabled() {
            broken(
                asked.me,
                3,
                "interrupts are off (I7: who waits for the lock takes interrupts)",
            );
        }
        let outcome = self.initiate(m, &request, &asked);
        m.unpin();
        outcome.map(|generation| Acknowledged::new(request, Some(generation), asked))
    }

    fn handle(&self, m: &M) -> u32 {
        let done = &self.done[m.me().index()].0;
        // Acquire, and before the request: what is read below is this generation's or later.
        let pending = || {
            let generation = self.generation.peek(Acquire);
            (done.peek(Relaxed) != generation).then_some(generation)
        };
        let mut served = 0;
        while let Some(generation) = m.scan(pending) {
            let addr1 = self.addr1.load(Relaxed);
            let addr2 = self.addr2.load(Relaxed);
            let space = self.space.load(Relaxed);
            let operation = Operation::from_bits(self.operation.load(Relaxed))
                .expect("a request whose operation word is no operation (rule I1)");
            m.invalidate(&Request::from_words(operation, space, addr1, addr2));
            // Release: the next holder overwrites the request once it has seen this (I4).
            done.store(generation, Release);
            served += 1;
        }
        served
    }

    fn slot(&self, target: CpuId, _initiator: CpuId) -> Option<&M::Word<u32, Slot>> {
        Some(&self.done.get(target.index())?.0)
    }

    fn head(&self, _initiator: CpuId) -> Option<&M::Word<u64, RequestHead>> {
        Some(&self.addr1)
    }

    fn request(&self, initiator: CpuId) -> Option<RequestView> {
        (self.initiator.peek(Relaxed) as usize == initiator.index()).then(|| RequestView {
            addr1: self.addr1.peek(Relaxed),
            addr2: self.addr2.peek(Relaxed),
            space: self.space.peek(Relaxed),
            generation: self.generation.peek(Relaxed),
            operation: self.operation.peek(Relaxed),
        })
    }

    fn outstanding(&self, initiator: CpuId) -> CpuSet {
        let owner = self.initiator.peek(Relaxed) as usize;
        if owner == initiator.index() {
            self.late()
        } else {
            CpuSet::EMPTY
        }
    }

    fn waits_for(&self, waiter: CpuId) -> CpuSet {
        let holder = (self.lock.peek(Relaxed) as usize)
            .checked_sub(1)
            .and_then(CpuId::new);
        match holder {
            Some(holder) if holder != waiter => CpuSet::only(holder),
            // The holder may be settling what another CPU abandoned.
            Some(_) => self.late(),
            None => CpuSet::EMPTY,
        }
    }
}

#[cfg(test)]
mod tests;
