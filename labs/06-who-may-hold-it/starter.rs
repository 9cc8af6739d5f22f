//! Lab 6: who may hold a space's translations. As it stands, a CPU that enters while another changes the space is
//! not asked.
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
        // TODO: when must this CPU be in the active set, and when may it leave?
        if let Some(active) = spaces.active(from) {
            active.fetch_and(!me, SeqCst);
        }
        load(prepare(m, spaces, to));
        if let Some(active) = spaces.active(to) {
            active.fetch_or(me, SeqCst);
        }
    }

    fn announce<M: Machine>(m: &M, spaces: Spaces<'_, M>, space: SpaceId) -> CpuSet {
        // TODO: the change is in this CPU's store buffer, and CPUs that left the space kept what they had of it.
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
    // TODO: with PCIDs some of it may be kept. This flushes always, and says nothing of it to anybody.
    let pcid = spaces.renew(m, to);
    Activation { pcid, keep: false }
}
