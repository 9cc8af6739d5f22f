//! What every protocol offers.

use crate::{
    Abandoned, Acknowledged, CpuId, CpuSet, Machine, Operation, Request, RequestHead, Slot, Targets,
};

/// A way to have other CPUs invalidate, as a value that can be chosen at run time.
pub trait Protocol<M: Machine>: Sync {
    /// The name by which people and files call it.
    fn name(&self) -> &'static str;

    /// Has `request` performed on `targets`, and waits until each has acknowledged it. Whatever
    /// change the request is about must have been made before the call; its store need not be
    /// ordered, the call begins with a full fence.
    ///
    /// To be called with interrupts enabled, not in an interrupt handler, and not while holding
    /// anything that another CPU may wait for with its interrupts off: it would not answer, and
    /// both would wait for ever (I7, protocol.md §8.6). Preemption may be on or off; the running
    /// thread stays on its CPU for the length of the call. With no other CPU to ask, as while the
    /// machine is [`alone`](Machine::alone), interrupts may be off.
    ///
    /// # Errors
    /// [`Abandoned`] if a wait was given up. The request may have been performed on any of the
    /// targets, and may yet be: its words stay as they are until all have acknowledged it, and the
    /// CPU's next shootdown waits for that first, having sent the interrupt again.
    ///
    /// # Panics
    /// If interrupts are off although there is another CPU to ask, or if a rule of the protocol
    /// was found broken.
    fn shoot(&self, m: &M, request: Request, targets: Targets) -> Result<Acknowledged, Abandoned>;

    /// Serves what other CPUs ask of this one, for the shootdown interrupt's handler: interrupts
    /// off throughout, and no scheduler between it and the interrupted code (I5). The caller
    /// signals the end of interrupt afterwards (I18).
    ///
    /// Returns how many requests it served: 0 for an interrupt whose request an earlier one had
    /// served already.
    fn handle(&self, m: &M) -> u32;

    /// The word in which `target` acknowledges `initiator`'s requests, for display, for the trace
    /// and for faults: in the scoreboard 0 while a request is pending, else the generation last
    /// acknowledged. A protocol may use one word for several initiators. `None` if there is none.
    fn slot(&self, target: CpuId, initiator: CpuId) -> Option<&M::Word<u32, Slot>>;

    /// The word of `initiator`'s request that is written and read first, for the same uses. A
    /// protocol may use one for several initiators. `None` if there is none.
    fn head(&self, initiator: CpuId) -> Option<&M::Word<u64, RequestHead>>;

    /// The request that `initiator` last wrote, its words as they stand, perhaps half rewritten:
    /// to be displayed, not relied on. `None` if there is no such initiator.
    fn request(&self, initiator: CpuId) -> Option<RequestView>;

    /// The CPUs whose acknowledgement of a request of `initiator` is outstanding, as it stands.
    fn outstanding(&self, initiator: CpuId) -> CpuSet;

    /// The CPUs that `waiter`'s shootdown cannot go on without, as it stands: those that have not
    /// acknowledged, or who holds a lock that it waits for. For whoever explains a long wait.
    fn waits_for(&self, waiter: CpuId) -> CpuSet {
        self.outstanding(waiter)
    }

    /// One request in place of two that the same initiator has yet to shoot, if that is worth while: it
    /// [`includes`](Request::includes) both. `None` has them shot one after the other.
    fn gather(&self, first: &Request, second: &Request) -> Option<Request> {
        let _ = (first, second);
        None
    }

    /// Whether a shootdown of all other CPUs is sent as one broadcast; `None` if that cannot be
    /// changed.
    fn broadcast(&self) -> Option<bool> {
        None
    }

    /// Changes that, from the next send on, where it can be changed. At any time: who is asked and
    /// waited for is the same either way.
    fn set_broadcast(&self, broadcast: bool) {
        let _ = broadcast;
    }
}

/// Performs several requests of one initiator, which all have to be done before it goes on: as many of them by one
/// `shoot` as the protocol gathers, in their order.
///
/// # Errors
/// [`Abandoned`] if a `shoot` was. Those before it are done.
///
/// # Panics
/// If what the protocol gathers does not include what it is in place of.
pub fn shoot_gathered<M: Machine>(
    protocol: &(impl Protocol<M> + ?Sized),
    requests: &[Request],
    mut shoot: impl FnMut(Request) -> Result<(), Abandoned>,
) -> Result<(), Abandoned> {
    let Some((&first, rest)) = requests.split_first() else {
        return Ok(());
    };
    let mut pending = first;
    for next in rest {
        match protocol.gather(&pending, next) {
            Some(both) => {
                assert!(
                    both.includes(&pending) && both.includes(next),
                    "gather: {both} does not include both {pending} and {next} (I17: every page that changed is \
                     asked for)"
                );
                pending = both;
            }
            None => {
                shoot(pending)?;
                pending = *next;
            }
        }
    }
    shoot(pending)
}

/// A request's words as they stood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestView {
    /// First address.
    pub addr1: u64,
    /// Exclusive end.
    pub addr2: u64,
    /// The space's number.
    pub space: u32,
    /// The generation; before the first request, the one that would precede it.
    pub generation: u32,
    /// The operation's bits; see [`Operation::from_bits`].
    pub operation: u32,
}

impl RequestView {
    /// The operation, if its bits stand for one.
    pub const fn operation(&self) -> Option<Operation> {
        Operation::from_bits(self.operation)
    }
}

/// How a protocol is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Each initiator's first generation; 0 counts as 1 (I12).
    pub first_generation: u32,
    /// Whether each row of the scoreboard has cache lines of its own (claim 8, note 2). Fixed for
    /// the life of the scoreboard, since a row that moved would lose the zeros in it: to change
    /// it, build another and choose that, while no shootdown is under way.
    pub padded: bool,
    /// Whether a shootdown of all other CPUs is sent as one broadcast. Only for machines on which
    /// the all-but-self shorthand reaches online CPUs alone. May change at any time
    /// ([`Protocol::set_broadcast`]).
    pub broadcast: bool,
    /// Whether an initiator of the scoreboard protocol that waits for too long interrupts the late
    /// targets again: [`Machine::spin_resending`].
    pub resend: bool,
}

impl Default for Settings {
    /// Generations from 1, rows unpadded and nothing sent again, as in FreeBSD; broadcast where it
    /// fits.
    fn default() -> Self {
        Settings {
            first_generation: 1,
            padded: false,
            broadcast: true,
            resend: false,
        }
    }
}

impl Settings {
    /// What an initiator's generation word holds before its first request.
    pub(crate) const fn generation_before_first(&self) -> u32 {
        match self.first_generation {
            0 => 0,
            first => first - 1,
        }
    }
}

/// The generation after `last`: the next number, never 0, which means "pending" in a slot (I12).
#[inline(always)]
pub(crate) const fn next_generation(last: u32) -> u32 {
    match last.wrapping_add(1) {
        0 => 1,
        next => next,
    }
}

/// A rule was found broken: says which, where.
#[cold]
#[inline(never)]
pub(crate) fn broken(me: CpuId, step: u32, rule: &str) -> ! {
    panic!("shootdown: CPU {me}, step {step}: {rule}")
}
