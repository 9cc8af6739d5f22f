//! The scoreboard as a textbook has it, and the ways in which students get it wrong: what a search must find.

use crate::Host;
use shootdown::{
    Abandoned, Acknowledged, CpuId, CpuSet, Critical, Destination, Generation, Machine, Operation,
    Protocol, Request, RequestBody, RequestHead, RequestView, Slot, Snapshot, Targets, Tlb, Word,
};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

type HostWord<V, R> = <Host as Machine>::Word<V, R>;

/// Declares the mutations, each with the invariant that it breaks.
macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident: $invariant:expr,)*) => {
        /// What is wrong with it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Mutation {
            /// Nothing.
            None,
            $($(#[$doc])* $name,)*
        }

        impl Mutation {
            /// All that are wrong.
            pub const ALL: &[Mutation] = &[$(Mutation::$name),*];

            /// The number of the invariant that it breaks; 0 if nothing is wrong.
            pub const fn invariant(self) -> u8 {
                match self {
                    Mutation::None => 0,
                    $(Mutation::$name => $invariant,)*
                }
            }
        }
    };
}

mutations! {
    /// The slots are zeroed before the request is written.
    ZeroBeforePublish: 1,
    /// Nothing orders the request before the zeros.
    NoReleaseFence: 1,
    /// The request's generation is stored after the fence, relaxed: nothing orders it before the zeros.
    RelaxedPublish: 1,
    /// The initiator does not wait.
    NoWait: 3,
    /// It may be preempted in the middle.
    NoCriticalSection: 19,
    /// The handler acknowledges before it copies.
    AcknowledgeBeforeCopy: 4,
    /// The handler does not invalidate.
    NoInvalidation: 5,
    /// The handler answers one request and leaves.
    NoDrain: 6,
    /// The initiator masks interrupts while it waits.
    WaitsMasked: 7,
    /// Only some of those zeroed are sent to.
    SendsToFewer: 11,
    /// The generation is 0.
    GenerationZero: 12,
    /// Rows and columns are swapped on one side.
    Transposed: 13,
    /// The handler forgets what the kernel's tables say, and leaves the user's.
    KernelTablesOnly: 16,
    /// The handler's flush of everything leaves what is global.
    NotGlobal: 16,
    /// A range without its last page.
    OffByOne: 17,
    /// What is asked in place of two requests leaves the second out.
    GathersTooLittle: 17,
    /// The initiator is not pinned.
    NotPinned: 19,
    /// The initiator asks which CPU it is on, and is pinned only then.
    PinnedTooLate: 19,
}

/// The end of a request for everything.
const EVERYTHING: u64 = u64::MAX;

struct Words {
    start: HostWord<u64, RequestHead>,
    end: HostWord<u64, RequestBody>,
    generation: HostWord<u32, Generation>,
}

/// The protocol.
pub struct Textbook {
    mutation: Mutation,
    cpus: usize,
    requests: Vec<Words>,
    slots: Vec<HostWord<u32, Slot>>,
}

impl Textbook {
    /// For CPUs 0 to `cpus - 1`, with one thing wrong.
    pub fn new(m: &Host, cpus: usize, mutation: Mutation) -> Self {
        let words = || Words {
            start: m.word(0),
            end: m.word(0),
            generation: m.word(0),
        };
        Textbook {
            mutation,
            cpus,
            requests: (0..cpus).map(|_| words()).collect(),
            slots: (0..cpus * cpus).map(|_| m.word(1)).collect(),
        }
    }

    fn has(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    fn slot_of(&self, target: CpuId, initiator: usize) -> &HostWord<u32, Slot> {
        &self.slots[target.index() * self.cpus + initiator]
    }

    fn zeroed(&self, target: CpuId, initiator: CpuId) -> &HostWord<u32, Slot> {
        if self.has(Mutation::Transposed) {
            self.slot_of(initiator, target.index())
        } else {
            self.slot_of(target, initiator.index())
        }
    }

    fn publish(&self, me: CpuId, request: &Request) -> u32 {
        let words = &self.requests[me.index()];
        words.start.store(request.start(), Relaxed);
        let end = match request.operation() {
            Operation::Global => EVERYTHING,
            _ => request.end(),
        };
        words.end.store(end, Relaxed);
        let mut generation = words.generation.load(Relaxed) + 1;
        if self.has(Mutation::GenerationZero) {
            generation = 0;
        }
        if !self.has(Mutation::RelaxedPublish) {
            words.generation.store(generation, Relaxed);
        }
        generation
    }

    fn zero(&self, me: CpuId, targets: CpuSet) {
        for target in targets {
            self.zeroed(target, me).store(0, Relaxed);
        }
    }

    fn initiate(&self, m: &Host, request: &Request, asked: &Snapshot) -> Result<u32, Abandoned> {
        let (me, targets) = (asked.me, asked.remote);
        let generation = if self.has(Mutation::ZeroBeforePublish) {
            self.zero(me, targets);
            self.publish(me, request)
        } else {
            let generation = self.publish(me, request);
            if !self.has(Mutation::NoReleaseFence) {
                m.fence(Release);
            }
            if self.has(Mutation::RelaxedPublish) {
                let words = &self.requests[me.index()];
                words.generation.store(generation, Relaxed);
            }
            self.zero(me, targets);
            generation
        };
        let sent = match targets.into_iter().next() {
            Some(first) if self.has(Mutation::SendsToFewer) => targets.without(first),
            _ => targets,
        };
        m.send(Destination::Each(sent));
        asked.invalidate_locally(m, request);
        if self.has(Mutation::NoWait) {
            return Ok(generation);
        }
        if self.has(Mutation::WaitsMasked) {
            m.disable_interrupts();
        }
        for target in targets {
            let slot = self.zeroed(target, me);
            m.spin_until(|| slot.peek(Acquire) == generation)?;
        }
        if self.has(Mutation::WaitsMasked) {
            m.enable_interrupts();
        }
        Ok(generation)
    }

    fn serve(&self, m: &Host, me: CpuId, initiator: usize) {
        let (words, slot) = (&self.requests[initiator], self.slot_of(me, initiator));
        m.fence(Acquire);
        if self.has(Mutation::AcknowledgeBeforeCopy) {
            slot.store(words.generation.load(Relaxed), Release);
        }
        let (start, mut end) = (words.start.load(Relaxed), words.end.load(Relaxed));
        if !self.has(Mutation::AcknowledgeBeforeCopy) {
            slot.store(words.generation.load(Relaxed), Release);
        }
        if self.has(Mutation::NoInvalidation) {
            return;
        }
        if end == EVERYTHING {
            return m.invalidate(&match self.mutation {
                Mutation::NotGlobal => Request::space(crate::host::SPACE),
                _ => Request::global(),
            });
        }
        if self.has(Mutation::OffByOne) && end - start > 4096 {
            end -= 4096;
        }
        // An address of an earlier request or none: nothing can be asked for it.
        if let Ok(request) = Request::range(crate::host::SPACE, start, end) {
            if self.has(Mutation::KernelTablesOnly) {
                m.invlpg(request.start());
            } else {
                m.invalidate(&request);
            }
        }
    }
}

impl Protocol<Host> for Textbook {
    fn name(&self) -> &'static str {
        "textbook"
    }

    fn shoot(
        &self,
        m: &Host,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        let before = self.has(Mutation::PinnedTooLate).then(|| m.me());
        let mut asked = Snapshot::take(m, &request, targets);
        if let Some(before) = before {
            asked.remote = asked.remote.with(asked.me).without(before);
            asked.me = before;
        }
        if self.has(Mutation::NotPinned) {
            m.unpin();
        }
        let critical = (!self.has(Mutation::NoCriticalSection) && !self.has(Mutation::NotPinned))
            .then(|| Critical::enter(m));
        let outcome = self.initiate(m, &request, &asked);
        if !self.has(Mutation::NotPinned) {
            m.unpin();
        }
        drop(critical);
        outcome.map(|generation| asked.acknowledged(request, Some(generation)))
    }

    fn handle(&self, m: &Host) -> u32 {
        let me = m.me();
        let pending = || (0..self.cpus).find(|&from| self.slot_of(me, from).peek(Relaxed) == 0);
        let mut served = 0;
        while let Some(initiator) = m.scan(pending) {
            self.serve(m, me, initiator);
            served += 1;
            if self.has(Mutation::NoDrain) {
                break;
            }
        }
        served
    }

    /// Neighbours are one range.
    fn gather(&self, first: &Request, second: &Request) -> Option<Request> {
        if first.space_id() != second.space_id() || first.end() != second.start() {
            return None;
        }
        let end = match self.mutation {
            Mutation::GathersTooLittle => first.end(),
            _ => second.end(),
        };
        Request::range(first.space_id(), first.start(), end).ok()
    }

    fn slot(&self, target: CpuId, initiator: CpuId) -> Option<&HostWord<u32, Slot>> {
        Some(self.slot_of(target, initiator.index()))
    }

    fn head(&self, initiator: CpuId) -> Option<&HostWord<u64, RequestHead>> {
        Some(&self.requests[initiator.index()].start)
    }

    fn request(&self, initiator: CpuId) -> Option<RequestView> {
        let words = &self.requests[initiator.index()];
        Some(RequestView {
            addr1: words.start.peek(Relaxed),
            addr2: words.end.peek(Relaxed),
            space: crate::host::SPACE.0,
            generation: words.generation.peek(Relaxed),
            operation: Operation::Range as u32,
        })
    }

    fn outstanding(&self, initiator: CpuId) -> CpuSet {
        CpuSet::first(self.cpus)
            .into_iter()
            .filter(|&target| self.slot_of(target, initiator.index()).peek(Relaxed) == 0)
            .collect()
    }
}
