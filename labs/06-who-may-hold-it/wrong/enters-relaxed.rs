//! Wrong: enters the set with no order.
#![no_std]
#![forbid(unsafe_code)]

use lab::six::*;

pub struct Student;

impl Members for Student {
    fn activate<M: Machine>(
        m: &M,
        spaces: Spaces<'_, M>,
        from: SpaceId,
        to: SpaceId,
        load: impl FnOnce(Activation),
    ) {
        let me = CpuSet::only(m.me()).bits();
        // From here on whoever changes the space asks this CPU; what was changed before, it finds.
        if let Some(active) = spaces.active(to) {
            active.fetch_or(me, Relaxed);
        }
        load(prepare(m, spaces, to));
        // Not before: until CR3 was loaded, this CPU could still walk the old tables.
        if let Some(active) = spaces.active(from)
            && from != to
        {
            active.fetch_and(!me, SeqCst);
        }
    }

    fn announce<M: Machine>(m: &M, spaces: Spaces<'_, M>, space: SpaceId) -> CpuSet {
        // Where the space is not active nobody is asked: it flushes when it comes back.
        for cpu in spaces.cpus() {
            spaces.generation(space, cpu).store(0, Relaxed);
        }
        // The change and the generations before the set is read.
        m.fence(SeqCst);
        match spaces.active(space) {
            Some(active) => CpuSet::from_bits(active.peek(Relaxed)),
            None => m.online(),
        }
    }
}

/// The PCID for `to`, and whether what the TLB holds under it may be used.
fn prepare<M: Machine>(m: &M, spaces: Spaces<'_, M>, to: SpaceId) -> Activation {
    if to == SpaceId::KERNEL || !m.mode().has_pcid() {
        return Activation::PLAIN;
    }
    let me = m.me();
    let (generation, present) = (spaces.generation(to, me), spaces.present(me));
    if generation.load(Relaxed) == present.load(Relaxed) {
        let pcid = spaces.pcid(to, me);
        return Activation { pcid, keep: true };
    }
    let pcid = spaces.renew(m, to);
    generation.store(present.load(Relaxed), Relaxed);
    Activation { pcid, keep: false }
}
