//! What can happen next.

use super::Machine;
use crate::op::Op;
use crate::scene::Memory;
use crate::state::{Buffered, Fault, State};

/// Something that can happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The CPU does the next operation of its handler, or of the thread it runs.
    Do(u8),
    /// The store at this index of its buffer becomes visible.
    Commit(u8, u8),
    /// It takes the interrupt that is pending.
    Interrupt(u8),
    /// It walks the page table and keeps what it finds.
    Fill(u8, u8),
    /// The thread moves to another CPU.
    Migrate(u8, u8),
    /// The CPU runs this thread from now on.
    Switch(u8, u8),
    /// The interrupt that is pending there is lost.
    Lose(u8),
    /// An interrupt comes there once more.
    Repeat(u8),
    /// The patience of its wait ends.
    Expire(u8),
    /// Its wait is given up.
    GiveUp(u8),
    /// The command that is pending in its register is accepted.
    Accept(u8),
    /// An interrupt comes whose handler sends too.
    Disturb(u8),
    /// A non-maskable interrupt comes, and its handler returns.
    Nmi(u8),
}

impl Machine<'_> {
    /// Everything that can happen in `state`; `reduce` leaves out what need not happen yet.
    pub fn steps(&self, state: &State, reduce: bool, into: &mut Vec<Step>) {
        into.clear();
        for cpu in 0..self.scene.cpus {
            self.steps_of(state, cpu, reduce, into);
        }
    }

    fn steps_of(&self, state: &State, cpu: usize, reduce: bool, into: &mut Vec<Step>) {
        let (l, number) = (&self.layout, cpu as u8);
        let put_off = |node| reduce && self.is_put_off(state, cpu, node);
        if self.can_do(state, cpu) && !self.next(state, cpu).is_some_and(put_off) {
            into.push(Step::Do(number));
        }
        self.commits(state, cpu, into);
        self.faults(state, cpu, into);
        if self.accepts(state, cpu) {
            into.push(Step::Accept(number));
        }
        if self.disturbs(state, cpu) {
            into.push(Step::Disturb(number));
        }
        if self.nmi_comes(state) {
            into.push(Step::Nmi(number));
        }
        let in_handler = state.handler(l, cpu).is_some();
        if state.irr(l, cpu) && !state.masked(l, cpu) && !in_handler {
            into.push(Step::Interrupt(number));
        }
        for page in 0..self.scene.pages {
            if self.fills(state, cpu, page) {
                into.push(Step::Fill(number, page));
            }
        }
        if self.scene.scheduler && !in_handler && !state.masked(l, cpu) {
            self.schedules(state, cpu, into);
        }
    }

    fn faults(&self, state: &State, cpu: usize, into: &mut Vec<Step>) {
        let (l, number, most) = (&self.layout, cpu as u8, self.scene.faults);
        let left = |fault, most: u8| state.faults(l, fault) < u16::from(most);
        if state.irr(l, cpu) && left(Fault::Lost, most.lost) {
            into.push(Step::Lose(number));
        }
        if !state.irr(l, cpu) && left(Fault::Repeated, most.repeated) {
            into.push(Step::Repeat(number));
        }
        let Some(Op::SpinAgain { resends }) = self.next(state, cpu).map(|node| self.calls.op(node))
        else {
            return;
        };
        // Once for each interrupt that was lost: enough to cure it, and not for ever. Besides for those that are late.
        let patience = state.faults(l, Fault::Lost) + u16::from(most.late);
        if resends && state.expired(l, cpu) < patience {
            into.push(Step::Expire(number));
        }
        if left(Fault::GivenUp, most.given_up) {
            into.push(Step::GiveUp(number));
        }
    }

    fn commits(&self, state: &State, cpu: usize, into: &mut Vec<Step>) {
        for (index, entry) in state.buffer(&self.layout, cpu).enumerate() {
            let Buffered::Store(word, _) = entry else {
                // What comes after a release waits for all before.
                break;
            };
            let mut earlier = state.buffer(&self.layout, cpu).take(index);
            let same = |entry| matches!(entry, Buffered::Store(other, _) if other == word);
            if !earlier.any(same) {
                into.push(Step::Commit(cpu as u8, index as u8));
            }
            if self.scene.memory == Memory::Tso {
                break;
            }
        }
    }

    fn schedules(&self, state: &State, cpu: usize, into: &mut Vec<Step>) {
        let l = &self.layout;
        let running = state.running(l, cpu);
        if running.is_some_and(|thread| state.in_critical(l, thread)) {
            return;
        }
        for thread in 0..l.threads {
            let here = state.cpu_of(l, thread) == cpu && state.node(l, thread).is_some();
            if here && running != Some(thread) {
                into.push(Step::Switch(cpu as u8, thread as u8));
            }
        }
        let Some(thread) = running else { return };
        if state.pinned(l, thread) || state.node(l, thread).is_none() {
            return;
        }
        let is_free = |&to: &usize| (0..l.threads).all(|other| state.cpu_of(l, other) != to);
        for to in (0..l.cpus).filter(is_free) {
            into.push(Step::Migrate(thread as u8, to as u8));
        }
    }
}
