//! What a target does for each operation: the table of operation by mode.
//!
//! | operation | plain | PCID | PCID + PTI | INVPCID | INVPCID + PTI |
//! |---|---|---|---|---|---|
//! | page, user | INVLPG | INVLPG | INVLPG; if current, the user page | INVLPG | INVLPG; if current, INVPCID the user page |
//! | page, kernel | INVLPG | INVLPG | as global | INVLPG | as global |
//! | range | page by page | page by page | page by page | page by page | page by page |
//! | space | reload CR3 | if current, reload CR3 | if current, reload CR3 and defer the user flush | INVPCID its context | INVPCID its context; if current, defer the user flush |
//! | global | toggle CR4.PGE | toggle CR4.PGE | toggle CR4.PGE | INVPCID all | INVPCID all |
//! | cache | WBINVD | WBINVD | WBINVD | WBINVD | WBINVD |
//!
//! A space that is not current on the target needs nothing there beyond what the table says: in
//! plain mode the CR3 load that left it forgot it, and with PCIDs the initiator has made its next
//! activation flush ([`Tlb::forget_contexts`], before the IPI: I9).
//!
//! INVLPG reaches global translations and those of the current PCID only (SDM vol. 3A, 4.10.4.1).
//! So kernel translations must be global in every mode but the PTI ones. There they are not (a
//! global entry would survive into user mode), other PCIDs may hold them, and one kernel page
//! costs a global flush.
//!
//! Source: protocol.md §5, FreeBSD's `invlop_handler_one` and what it calls.

use crate::{Mode, Operation, PAGE_SIZE, Request, SpaceId};

/// A process-context identifier, 0 to 4095.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pcid(pub u16);

impl Pcid {
    /// The kernel's own tables.
    pub const KERNEL: Pcid = Pcid(0);

    /// The PCID of the user tables that go with the kernel tables `self`, under page-table
    /// isolation: bit 11 set, as in FreeBSD.
    #[must_use]
    #[inline(always)]
    pub const fn user(self) -> Pcid {
        Pcid(self.0 | 0x800)
    }
}

/// What INVPCID is to invalidate: its types 0 to 3 (SDM vol. 2A).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invpcid {
    /// Type 0: one page of one PCID, global translations excepted.
    Address(Pcid, u64),
    /// Type 1: everything of one PCID, global translations excepted.
    Context(Pcid),
    /// Type 2: everything of every PCID, global translations too.
    AllWithGlobal,
    /// Type 3: everything of every PCID, global translations excepted.
    AllButGlobal,
}

/// The TLB of the CPU this runs on, by its instructions.
///
/// The methods from [`current_space`](Tlb::current_space) on are called in the PCID modes only;
/// a machine that runs in [`Mode::Plain`] for good need not define them, and being asked all the
/// same is a broken rule, which panics. A call that is not to be interrupted comes with
/// interrupts off or in a critical section.
pub trait Tlb {
    /// The machine's mode. The same for as long as it runs; a machine with one mode only returns
    /// a constant, and the others' code disappears.
    fn mode(&self) -> Mode;

    /// INVLPG: forgets the page at `va` in the current PCID, and if global in every one.
    fn invlpg(&self, va: u64);

    /// Loads CR3 with what it holds, bit 63 clear: forgets all but global translations of the
    /// current PCID.
    fn reload_cr3(&self);

    /// Toggles CR4.PGE: forgets everything, in every PCID, global translations too.
    fn flush_global(&self);

    /// WBINVD: writes back and invalidates the caches.
    fn flush_caches(&self);

    /// The space whose tables this CPU's CR3 holds (FreeBSD's `curpmap`); changes with CR3 only
    /// with interrupts off (I10).
    fn current_space(&self) -> SpaceId {
        only_with_pcids("current_space")
    }

    /// The PCID that `space` last had on this CPU.
    fn pcid(&self, space: SpaceId) -> Pcid {
        let _ = space;
        only_with_pcids("pcid")
    }

    /// Protocol step 0: has every CPU flush when it next activates `space`; see
    /// [`Contexts::forget`](crate::Contexts::forget).
    fn forget_contexts(&self, space: SpaceId) {
        let _ = space;
        only_with_pcids("forget_contexts")
    }

    /// INVPCID. `space` is the one that it is about, for who keeps books; the kernel's if it is about all.
    fn invpcid(&self, what: Invpcid, space: SpaceId) {
        let _ = (what, space);
        only_with_pcids("invpcid")
    }

    /// Without INVPCID, under page-table isolation: forgets the page at `va` in the current
    /// space's user PCID, by going through its user tables. Nothing if the space has none.
    fn invlpg_user(&self, va: u64) {
        let _ = va;
        only_with_pcids("invlpg_user")
    }

    /// Under page-table isolation: the next way out to user mode loads the user tables' CR3 with
    /// bit 63 clear, and so flushes their PCID (FreeBSD's `ucr3_load_mask`). A switch to another
    /// space withdraws it: the initiator has cleared the generation (I9), so coming back flushes.
    fn defer_user_flush(&self) {
        only_with_pcids("defer_user_flush")
    }
}

#[cold]
fn only_with_pcids(method: &str) -> ! {
    panic!("Tlb::{method} asked of a machine that defines no PCID modes (rule: Mode::choose first)")
}

/// Does on this CPU what `request` asks, at least one page of it.
///
/// Returns when the invalidating instructions have completed; each of them serialises. Does not
/// wait for, or say anything of, another CPU.
#[inline(always)]
pub fn perform<M: Tlb>(m: &M, request: &Request) {
    match request.operation() {
        Operation::Page => invalidate_page(m, request.space_id(), request.start()),
        Operation::Range => invalidate_range(m, request.space_id(), request.start(), request.end()),
        Operation::Space => invalidate_space(m, request.space_id()),
        Operation::Global => invalidate_all(m),
        Operation::Cache => m.flush_caches(),
    }
}

#[inline(always)]
fn invalidate_page<M: Tlb>(m: &M, space: SpaceId, va: u64) {
    if m.mode().has_user_pcid() {
        invalidate_isolated_page(m, space, va);
    } else {
        m.invlpg(va);
    }
}

/// Under page-table isolation: the page in the kernel's PCID and in the user's.
#[inline(never)]
fn invalidate_isolated_page<M: Tlb>(m: &M, space: SpaceId, va: u64) {
    if space == SpaceId::KERNEL {
        return invalidate_all(m);
    }
    m.invlpg(va);
    if m.current_space() == space {
        match m.mode() {
            Mode::InvpcidPti => m.invpcid(Invpcid::Address(m.pcid(space).user(), va), space),
            _ => m.invlpg_user(va),
        }
    }
}

fn invalidate_range<M: Tlb>(m: &M, space: SpaceId, start: u64, end: u64) {
    if m.mode().has_user_pcid() && space == SpaceId::KERNEL {
        return invalidate_all(m);
    }
    // `end` is exclusive, and the first page is done whatever it says (I17).
    let mut va = start;
    loop {
        invalidate_page(m, space, va);
        va = va.wrapping_add(PAGE_SIZE);
        if va >= end {
            break;
        }
    }
}

fn invalidate_space<M: Tlb>(m: &M, space: SpaceId) {
    let mode = m.mode();
    match mode {
        Mode::Plain => return m.reload_cr3(),
        Mode::Invpcid | Mode::InvpcidPti => m.invpcid(Invpcid::Context(m.pcid(space)), space),
        Mode::Pcid | Mode::PcidPti => {}
    }
    if m.current_space() != space {
        return;
    }
    if matches!(mode, Mode::Pcid | Mode::PcidPti) {
        m.reload_cr3();
    }
    if mode.has_user_pcid() {
        m.defer_user_flush();
    }
}

fn invalidate_all<M: Tlb>(m: &M) {
    match m.mode() {
        Mode::Plain | Mode::Pcid | Mode::PcidPti => m.flush_global(),
        Mode::Invpcid | Mode::InvpcidPti => m.invpcid(Invpcid::AllWithGlobal, SpaceId::KERNEL),
    }
}

#[cfg(test)]
mod tests;
