//! How calls begin, go on and end.

use super::{Machine, id};
use crate::calls::{LONGEST_CALL, NodeId};
use crate::op::Op;
use crate::state::{Fault, State};
use crate::story::What;
use crate::violation::Violation;

impl Machine<'_> {
    pub(super) fn begin_call(&mut self, state: &mut State, thread: usize) -> Result<(), Violation> {
        let l = self.layout;
        let call = self.scene.threads[thread].calls.get(state.made(&l, thread));
        let node = call.copied().map(|call| self.calls.begin(call));
        state.set_node(&l, thread, node);
        let cpu = state.cpu_of(&l, thread);
        if state.running(&l, cpu) != Some(thread) || state.handler(&l, cpu).is_some() {
            return Ok(());
        }
        if node.is_none() {
            state.set_running(&l, cpu, None);
            self.to_user_mode(state, cpu);
            return Ok(());
        }
        self.settle(state, cpu)
    }

    pub(super) fn put(&self, state: &mut State, cpu: usize, node: NodeId) {
        let l = &self.layout;
        if state.handler(l, cpu).is_some() {
            return state.set_handler(l, cpu, Some(node));
        }
        let thread = state.running(l, cpu).expect("an idle CPU does nothing");
        state.set_node(l, thread, Some(node));
    }

    /// Does what concerns nobody else, until the next operation that does, and ends what is over.
    pub(super) fn settle(&mut self, state: &mut State, cpu: usize) -> Result<(), Violation> {
        while let Some(node) = self.next(state, cpu) {
            if self.calls.depth(node) > LONGEST_CALL {
                return Err(Violation::Livelock { cpu: id(cpu) });
            }
            match self.calls.op(node) {
                Op::Panicked(message) => {
                    let message = self.calls.message(message).to_string();
                    return Err(Violation::Panic {
                        cpu: id(cpu),
                        message,
                    });
                }
                Op::Silent(why) => {
                    let (cpu, why) = (id(cpu), self.calls.message(why).to_string());
                    return Err(Violation::Silent { cpu, why });
                }
                Op::Return => return self.end_call(state, cpu, true),
                Op::Abandoned => return self.end_call(state, cpu, false),
                op if op.is_local() && !self.holds_back(op) => {
                    let answer = self.perform(state, cpu, node);
                    let next = self.calls.after(node, answer);
                    self.put(state, cpu, next);
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// Whether `op` keeps the scheduler from what it could do until then: then it is a step of its own, for the scheduler
    /// may come first.
    fn holds_back(&self, op: Op) -> bool {
        self.scene.scheduler && matches!(op, Op::Pin | Op::EnterCritical)
    }

    fn end_call(
        &mut self,
        state: &mut State,
        cpu: usize,
        acknowledged: bool,
    ) -> Result<(), Violation> {
        let l = self.layout;
        if !acknowledged && state.faults(&l, Fault::GivenUp) == 0 {
            let why = "returns as if a wait had been given up, and none was".into();
            return Err(Violation::Silent { cpu: id(cpu), why });
        }
        if state.handler(&l, cpu).is_some() {
            self.note(state, cpu, What::Leaves, None);
            state.set_handler(&l, cpu, None);
            state.set_masked(&l, cpu, false);
            // IRET serialises.
            state.drain(&l, cpu);
            self.to_user_mode(state, cpu);
            return Ok(());
        }
        let thread = state.running(&l, cpu).expect("a call has a thread");
        let made = state.made(&l, thread);
        let over = self.scene.threads[thread].calls[made];
        let what = if acknowledged {
            What::Ends(over)
        } else {
            What::Abandons(over)
        };
        self.note(state, cpu, what, None);
        // What was given up promises nothing: the old frame is not reused.
        if acknowledged && let Some((pages, version)) = over.changes(self.scene.pages) {
            for page in pages.map(usize::from) {
                let before = state.required(&l, page);
                state.set_required(&l, page, before.max(u16::from(version)));
            }
        }
        state.set_made(&l, thread, made + 1);
        self.begin_call(state, thread)
    }
}
