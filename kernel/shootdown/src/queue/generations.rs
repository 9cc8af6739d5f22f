//! Generations of address spaces: what tells a late or repeated request from a due one.
//!
//! A space's *newest* generation goes up by one with each shootdown of it (Linux's
//! `mm->context.tlb_gen`). Each CPU keeps the generation it has *reached*: every change that came
//! with a generation up to that, it has invalidated (`cpu_tlbstate.ctxs[].tlb_gen`). A request
//! carries the generation that it brings about. Comparing the three:
//!
//! | the request's | is | so the CPU |
//! |---|---|---|
//! | at most the reached one | late, or a repetition | does nothing |
//! | the next after it, and the newest | just what is missing | does what is asked |
//! | anything else | one of several that are missing | invalidates the space, and has reached the newest |
//!
//! A CPU that was away from a space was not asked, so its next request finds a gap and invalidates
//! all of it, once. (Linux reads the newest generation as it enters the space, and need not.) What
//! is reached is thus never more than what was done, and may be less: a handler that comes between
//! an initiator's invalidation and its note of it may leave the lower of two, at no harm.

use crate::{CpuId, Machine, Operation, Plain, Request, SpaceId, Word};
use alloc::boxed::Box;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Every space's generations. The kernel's space has none, since nothing keeps count of the
/// changes there (as in Linux); its requests are performed as they are asked.
pub struct Generations<M: Machine> {
    /// Space by space.
    newest: Box<[M::Word<u64, Plain>]>,
    /// CPU by CPU, its generation of each space. Its own to write.
    reached: Box<[M::Word<u64, Plain>]>,
}

/// What a CPU has to do, and what it has reached then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// What was asked, or more.
    pub request: Request,
    /// The generation of its space; `None` for a request without one.
    reaches: Option<u64>,
}

impl<M: Machine> Generations<M> {
    /// For CPUs 0 to `cpus - 1` and spaces 0 to `spaces - 1`.
    pub fn new(m: &M, cpus: usize, spaces: usize) -> Self {
        Generations {
            newest: (0..spaces).map(|_| m.word(0)).collect(),
            reached: (0..cpus * spaces).map(|_| m.word(0)).collect(),
        }
    }

    /// The next generation of its space, which `request` brings about; 0 if it is of no space's.
    /// After the change that the request is about.
    #[inline(always)]
    pub fn advance(&self, request: &Request) -> u64 {
        if !counted(request) {
            return 0;
        }
        let Some(newest) = self.newest.get(request.space_id().0 as usize) else {
            return 0;
        };
        let mut before = newest.load(Relaxed);
        // Release: whoever finds this generation finds the change.
        while let Err(other) = newest.compare_exchange(before, before + 1, Release) {
            before = other;
        }
        before + 1
    }

    /// What `me` has to do for `request`, which brings about `generation`.
    #[inline(always)]
    pub fn due(&self, me: CpuId, request: &Request, generation: u64) -> Option<Due> {
        if generation == 0 {
            let (request, reaches) = (*request, None);
            return Some(Due { request, reaches });
        }
        let space = request.space_id();
        let reached = self.reached_by(me, space).peek(Relaxed);
        if generation <= reached {
            return None;
        }
        // Acquire, and before the invalidation: whatever changed for this generation or an earlier
        // one is invalidated by what follows.
        let newest = self.newest[space.0 as usize].peek(Acquire);
        let just_this = generation == reached + 1 && generation == newest;
        Some(Due {
            request: if just_this {
                *request
            } else {
                Request::space(space)
            },
            reaches: Some(newest),
        })
    }

    /// `me` has done what was due.
    #[inline(always)]
    pub fn reached(&self, me: CpuId, due: &Due) {
        if let Some(newest) = due.reaches {
            let reached = self.reached_by(me, due.request.space_id());
            reached.store(newest, Relaxed);
        }
    }

    #[inline(always)]
    fn reached_by(&self, me: CpuId, space: SpaceId) -> &M::Word<u64, Plain> {
        &self.reached[me.index() * self.newest.len() + space.0 as usize]
    }
}

/// Whether a request is about the translations of one space, other than the kernel's.
#[inline(always)]
fn counted(request: &Request) -> bool {
    let of_a_space = matches!(
        request.operation(),
        Operation::Page | Operation::Range | Operation::Space
    );
    of_a_space && request.space_id() != SpaceId::KERNEL
}
