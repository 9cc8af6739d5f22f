//! The proof that a shootdown is over.

use crate::targets::Snapshot;
use crate::{CpuId, CpuSet, Request, SpaceId};

/// Holding one proves that every target acknowledged the request, and that the initiator, if it
/// was to, has performed it.
///
/// It does *not* prove that the targets have performed it: they acknowledge first (claim 5). They
/// have interrupts off until they do, so none of them runs user code, or any kernel code but the
/// handler and an NMI's, in between. A user mapping's frame may be reused on its strength. What an
/// NMI handler may touch, and page-table pages that a speculative walk may read, need more.
///
/// Only a protocol makes one, by [`Snapshot::acknowledged`](crate::Snapshot::acknowledged). It may be cloned and it does not age, so it gives
/// nothing back by itself: see [`Flush`](crate::Flush) for what frees a frame.
#[must_use = "without it nothing that was unmapped may be reused"]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acknowledged {
    request: Request,
    initiator: CpuId,
    generation: Option<u32>,
    targets: CpuSet,
    local: bool,
    complete: bool,
}

impl Acknowledged {
    /// For a protocol, at its last step.
    #[inline(always)]
    pub(crate) fn new(request: Request, generation: Option<u32>, snapshot: Snapshot) -> Self {
        let Snapshot {
            me: initiator,
            remote: targets,
            local,
            complete,
            ..
        } = snapshot;
        Acknowledged {
            request,
            initiator,
            generation,
            targets,
            local,
            complete,
        }
    }

    /// What was asked.
    pub const fn request(&self) -> Request {
        self.request
    }

    /// The CPU that asked.
    pub const fn initiator(&self) -> CpuId {
        self.initiator
    }

    /// The generation the targets acknowledged; `None` if no other CPU was asked.
    pub const fn generation(&self) -> Option<u32> {
        self.generation
    }

    /// The other CPUs that were asked, each of which acknowledged.
    pub const fn targets(&self) -> CpuSet {
        self.targets
    }

    /// Whether the initiator invalidated its own TLB.
    pub const fn local(&self) -> bool {
        self.local
    }

    /// Whether no CPU that may hold a translation of the space was left out. False only for
    /// [`Targets::Set`](crate::Targets::Set).
    pub const fn complete(&self) -> bool {
        self.complete
    }

    /// Whether no CPU can use a translation of `va` in `space` that was cached before this
    /// shootdown began, by user code or by kernel code other than an NMI's.
    pub const fn covers(&self, space: SpaceId, va: u64) -> bool {
        self.complete && self.request.contains(space, va)
    }
}
