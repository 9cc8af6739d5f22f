//! Non-maskable interrupts: they come between any two operations, handlers and interrupts-off sections included.

use crate::machine::{Machine, id};
use crate::state::{Fault, State};
use crate::story::What;
use crate::violation::Violation;

/// What comes, and what its handler does: it reads a page, by whatever translation the CPU has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nmi {
    /// How often one comes, to any CPU.
    pub times: u8,
    /// The page.
    pub reads: u8,
}

impl Machine<'_> {
    /// Whether one may come now.
    pub(crate) fn nmi_comes(&self, state: &State) -> bool {
        let times = self.scene.nmi.map_or(0, |nmi| nmi.times);
        state.faults(&self.layout, Fault::Nmi) < u16::from(times)
    }

    /// One comes to `cpu`, and its handler returns: IRET empties the store buffer.
    ///
    /// # Errors
    /// It read by a translation that a shootdown which has returned took away.
    pub(crate) fn take_nmi(&mut self, state: &mut State, cpu: usize) -> Result<(), Violation> {
        let l = self.layout;
        let Some(page) = self.scene.nmi.map(|nmi| nmi.reads) else {
            return Ok(());
        };
        state.note_fault(&l, Fault::Nmi);
        self.note(state, cpu, What::TakesNmi { page }, None);
        let mut read = None;
        if let Some((context, _)) = self.usable(state, cpu) {
            let held = state.held(&l, cpu, context, usize::from(page));
            let version = held.unwrap_or_else(|| self.walked(state, page));
            state.set_held(&l, cpu, context, usize::from(page), Some(version));
            read = Some(version);
        }
        state.drain(&l, cpu);
        match read {
            Some(read) if read < state.required(&l, usize::from(page)) => {
                Err(Violation::ReadByNmi { cpu: id(cpu), page })
            }
            _ => Ok(()),
        }
    }
}
