//! Lab 3, *One at a time*: the initiator of the global-lock protocol.

pub use crate::*;

use shootdown::{GlobalLock, Plain, Protocol, Settings};

/// Whether each pair of CPUs has a slot of its own.
pub const PAIRS: bool = false;
/// Whether a target acknowledges before it invalidates.
pub const EARLY: bool = false;

/// The words through which initiators and targets talk: one lock, one request for the whole machine, and for each
/// CPU the generation whose request it performed last.
pub struct Shared<M: Machine> {
    reference: GlobalLock<M>,
}

impl<M: Machine> Shared<M> {
    fn new(m: &M, cpus: usize, settings: Settings) -> Self {
        Shared {
            reference: GlobalLock::new(m, cpus, settings),
        }
    }

    /// The lock: 0 while it is free, else the number of the CPU that holds it, plus one.
    pub fn lock(&self) -> &M::Word<u32, Plain> {
        self.reference.lock()
    }

    /// Writes the request, which is for `asked`, and announces it. Returns its generation. Whoever calls this
    /// holds the lock.
    pub fn publish(&self, request: &Request, asked: &Snapshot) -> u32 {
        self.reference.publish(request, asked)
    }

    /// The generation whose request `target` has performed: here a target acknowledges after it has invalidated.
    ///
    /// # Panics
    /// If there is no such CPU.
    pub fn done(&self, target: CpuId) -> &M::Word<u32, Slot> {
        match self.reference.slot(target, target) {
            Some(done) => done,
            None => panic!("there is no CPU {target}"),
        }
    }
}

/// What a solution of lab 3 is: the type `Student` implements it.
pub trait OneAtATime: 'static {
    /// Has every CPU of `targets`, this one included, forget what `request` names. Called on any CPU, by a thread
    /// that may be preempted and moved, with interrupts on, and by several CPUs at once: one is served at a time.
    ///
    /// # Errors
    /// [`Abandoned`], if a wait was: nothing may be reused then.
    fn shoot<M: Machine>(
        m: &M,
        shared: &Shared<M>,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned>;
}

whole!(OneAtATime, Shared, shoot: S::shoot, handle: |m: &M, shared: &Shared<M>| shared.reference.handle(m));
