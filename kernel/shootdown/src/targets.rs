//! Which CPUs a shootdown asks, and its steps until that is settled.

use crate::{Acknowledged, CpuId, CpuSet, Critical, Machine, Request};

/// Which CPUs a shootdown asks. CPUs that are not online are never asked: they hold nothing, or
/// flush before they run on (I15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Targets {
    /// Those in the space's active set, by one snapshot of [`Machine::active`]; and this one.
    Active,
    /// Every CPU.
    All,
    /// Exactly these, the initiator only if it is among them. Fewer than the active set leave
    /// stale translations behind, and the outcome is not [`complete`](Acknowledged::complete).
    Set(CpuSet),
}

/// Who is asked, settled once and used for zeroing, sending and waiting alike (I11).
///
/// Holding one proves that the running thread is pinned, by the shootdown that took it.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// The initiator: the CPU this runs on, until it unpins.
    pub me: CpuId,
    /// The CPUs to interrupt.
    pub remote: CpuSet,
    /// Whether those are all but the initiator.
    pub everyone: bool,
    /// Whether the initiator invalidates its own TLB.
    pub local: bool,
    /// Whether no CPU that may hold a translation of the space is left out.
    pub complete: bool,
}

impl Snapshot {
    /// Steps 0 to 2 of a shootdown, the same for every protocol. Leaves the thread pinned.
    #[inline(always)]
    pub fn take<M: Machine>(m: &M, request: &Request, targets: Targets) -> Self {
        // Step 0. Pinned from here to the end, or `me` would come to name another CPU: its words
        // would be written, and the wrong one left out of the set (I19).
        m.pin();
        let me = m.me();
        let space = request.space_id();
        // The change is announced before the set is read, and so before the IPI: a CPU that enters the
        // space too late to be asked finds the change, and forgets what it kept (I8, I9).
        let active = m.announce(space);

        // Steps 1 and 2. The set changes without exclusion, so it is read exactly once: whoever
        // is zeroed is sent to and waited for (I11). Stopped CPUs are not waited for; who stopped
        // them has them flush as they resume (I15).
        let online = m.online();
        let (asked, local, complete) = match targets {
            Targets::Active => (active, true, true),
            Targets::All => (online, true, true),
            Targets::Set(set) => {
                let left_out = active.and(online).minus(set);
                (set, set.contains(me), left_out.is_empty())
            }
        };
        let others = online.without(me);
        let remote = if m.alone() {
            CpuSet::EMPTY
        } else {
            asked.and(others)
        };
        Snapshot {
            me,
            remote,
            everyone: remote == others,
            local,
            complete,
        }
    }

    /// The proof, for a protocol that has seen every CPU of [`remote`](Snapshot::remote)
    /// acknowledge `request`, under `generation`: its word is taken for it.
    #[inline(always)]
    pub fn acknowledged(self, request: Request, generation: Option<u32>) -> Acknowledged {
        Acknowledged::new(request, generation, self)
    }

    /// Performs the request on the initiator, if it is among those asked.
    #[inline(always)]
    pub fn invalidate_locally<M: Machine>(&self, m: &M, request: &Request) {
        if self.local {
            m.invalidate_locally(request);
        }
    }

    /// The rest of a shootdown that asks no other CPU. Unpins.
    #[cold]
    pub fn finish_locally<M: Machine>(self, m: &M, request: Request) -> Acknowledged {
        // A switch of spaces between looking at the current one and invalidating would leave the
        // old one's translations: no preemption in between.
        let critical = Critical::enter(m);
        self.invalidate_locally(m, &request);
        m.unpin();
        drop(critical);
        Acknowledged::new(request, None, self)
    }
}
