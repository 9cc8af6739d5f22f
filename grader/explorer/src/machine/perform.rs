//! The operations, and what they do to the machine.

use super::{Machine, id};
use crate::calls::NodeId;
use crate::code::Source;
use crate::op::{Fence, Op, WordId};
use crate::scene::Memory;
use crate::sharing::Accessors;
use crate::state::{Buffered, Layout, State};
use crate::story::{Moment, What};
use shootdown::CpuSet;

impl Machine<'_> {
    /// Does the operation at `node` on `cpu`. Returns the answer.
    pub(super) fn perform(&mut self, state: &mut State, cpu: usize, node: NodeId) -> u64 {
        let op = self.calls.op(node);
        let answer = self.carry_out(state, cpu, op);
        if self.log.is_some() {
            let at = self.calls.at(node);
            self.note(state, cpu, What::Asks { op, answer }, at);
        }
        answer
    }

    /// Keeps what `cpu` does, if somebody wants to know.
    pub(crate) fn note(&mut self, state: &State, cpu: usize, what: What, at: Option<Source>) {
        let in_handler = state.handler(&self.layout, cpu).is_some();
        if let Some(log) = &mut self.log {
            log.push(Moment {
                cpu: id(cpu),
                in_handler,
                what,
                at,
            });
        }
    }

    fn carry_out(&mut self, state: &mut State, cpu: usize, op: Op) -> u64 {
        let l = self.layout;
        match op {
            Op::Me => return cpu as u64,
            Op::InterruptsEnabled => return u64::from(!state.masked(&l, cpu)),
            Op::Load { word, .. } => return self.values.of(state.read(&l, cpu, word)),
            Op::Modify { word, change, .. } => {
                self.note_write(state, cpu, word, None);
                state.drain(&l, cpu);
                let before = self.values.of(state.memory(word));
                let after = self.values.number(change.apply(before));
                state.set_memory(word, after);
                return before;
            }
            Op::Store {
                word,
                value,
                release,
                ..
            } => {
                self.note_write(state, cpu, word, Some(value));
                if release {
                    self.barrier(state, cpu);
                }
                let value = self.values.number(value);
                state.push(&l, cpu, Buffered::Store(word, value));
            }
            Op::Fence(Fence::Full) => state.drain(&l, cpu),
            Op::Fence(Fence::Release) => self.barrier(state, cpu),
            Op::Send(targets) => self.send(state, cpu, targets),
            Op::IcrHigh(_) | Op::IcrLow(_) | Op::IcrWide(_) => self.command(state, cpu, op),
            Op::CurrentSpace => return state.tables(&l, cpu).current.into(),
            Op::Invlpg(_)
            | Op::ReloadCr3
            | Op::FlushGlobal
            | Op::LoadCr3 { .. }
            | Op::SetCurrent(_)
            | Op::InvpcidPage(..)
            | Op::InvpcidContext(_)
            | Op::FlushAllButGlobal
            | Op::InvlpgUser(_)
            | Op::DeferUserFlush => self.translate(state, cpu, op),
            Op::InterruptsOff => state.set_masked(&l, cpu, true),
            Op::InterruptsOn => state.set_masked(&l, cpu, false),
            Op::Pin | Op::Unpin | Op::EnterCritical | Op::LeaveCritical => {
                if let (None, Some(thread)) = (state.handler(&l, cpu), state.running(&l, cpu)) {
                    count(state, &l, thread, op);
                }
            }
            _ => {}
        }
        0
    }

    fn note_write(&mut self, state: &State, cpu: usize, word: WordId, value: Option<u64>) {
        let who = match state.handler(&self.layout, cpu) {
            Some(_) => Accessors::handler(cpu),
            None => Accessors::thread(cpu),
        };
        self.sharing.written(word, value, who);
    }

    /// In total store order every store is behind every earlier one already.
    fn barrier(&self, state: &mut State, cpu: usize) {
        let last = state.buffer(&self.layout, cpu).next_back();
        let needed = last.is_some_and(|last| last != Buffered::Barrier);
        if self.scene.memory == Memory::Relaxed && needed {
            state.push(&self.layout, cpu, Buffered::Barrier);
        }
    }

    fn send(&self, state: &mut State, cpu: usize, targets: CpuSet) {
        if self.scene.send_fences {
            state.drain(&self.layout, cpu);
        }
        for target in targets {
            state.set_irr(&self.layout, target.index(), true);
        }
    }
}

fn count(state: &mut State, l: &Layout, thread: usize, op: Op) {
    match op {
        Op::Pin => *state.pins(l, thread) = state.pins(l, thread).saturating_add(1),
        Op::Unpin => *state.pins(l, thread) = state.pins(l, thread).saturating_sub(1),
        Op::EnterCritical => {
            *state.critical(l, thread) = state.critical(l, thread).saturating_add(1);
        }
        _ => *state.critical(l, thread) = state.critical(l, thread).saturating_sub(1),
    }
}
