//! What a step makes of a state.

use super::{Machine, Step, id};
use crate::calls::Call;
use crate::op::{EXPIRED, GIVEN_UP, Op};
use crate::state::{Buffered, Fault, State};
use crate::story::What;
use crate::violation::Violation;

impl Machine<'_> {
    /// What `step` makes of `state`.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn take(&mut self, state: &mut State, step: Step) -> Result<(), Violation> {
        let l = self.layout;
        match step {
            Step::Do(cpu) => self.do_next(state, usize::from(cpu))?,
            Step::Commit(cpu, index) => {
                let cpu = usize::from(cpu);
                if self.log.is_some() {
                    self.note_commit(state, cpu, usize::from(index));
                }
                state.commit(&l, cpu, usize::from(index));
            }
            Step::Interrupt(cpu) => {
                let cpu = usize::from(cpu);
                let node = self.calls.begin(Call::Handle);
                state.set_irr(&l, cpu, false);
                state.set_masked(&l, cpu, true);
                state.set_handler(&l, cpu, Some(node));
                self.note(state, cpu, What::Enters, None);
                self.settle(state, cpu)?;
            }
            Step::Fill(cpu, page) => {
                let version = self.walked(state, page);
                self.note(state, usize::from(cpu), What::Walks { page, version }, None);
                if let Some((context, _)) = self.usable(state, usize::from(cpu)) {
                    state.set_held(
                        &l,
                        usize::from(cpu),
                        context,
                        usize::from(page),
                        Some(version),
                    );
                }
            }
            Step::Migrate(thread, to) => {
                let (thread, to) = (usize::from(thread), usize::from(to));
                let from = state.cpu_of(&l, thread);
                self.note(state, from, What::Moves { to: id(to) }, None);
                state.set_cpu_of(&l, thread, to);
                state.set_running(&l, from, None);
                state.set_running(&l, to, Some(thread));
                // A switch of threads is a barrier in every kernel.
                state.drain(&l, from);
            }
            Step::Switch(cpu, thread) => {
                let cpu = usize::from(cpu);
                self.note(state, cpu, What::Switches { thread }, None);
                state.set_running(&l, cpu, Some(usize::from(thread)));
                state.drain(&l, cpu);
                self.settle(state, cpu)?;
            }
            Step::Lose(cpu) => {
                self.note(state, usize::from(cpu), What::Loses, None);
                state.set_irr(&l, usize::from(cpu), false);
                state.note_fault(&l, Fault::Lost);
            }
            Step::Repeat(cpu) => {
                self.note(state, usize::from(cpu), What::Repeats, None);
                state.set_irr(&l, usize::from(cpu), true);
                state.note_fault(&l, Fault::Repeated);
            }
            Step::Expire(cpu) => {
                let cpu = usize::from(cpu);
                self.note(state, cpu, What::Expires, None);
                state.expire(&l, cpu);
                self.answer_wait(state, cpu, EXPIRED)?;
            }
            Step::Accept(cpu) => {
                self.note(state, usize::from(cpu), What::Accepts, None);
                self.accept(state, usize::from(cpu));
            }
            Step::Disturb(cpu) => {
                self.note(state, usize::from(cpu), What::Disturbs, None);
                self.disturb(state, usize::from(cpu));
            }
            Step::Nmi(cpu) => self.take_nmi(state, usize::from(cpu))?,
            Step::GiveUp(cpu) => {
                let cpu = usize::from(cpu);
                self.note(state, cpu, What::GivesUp, None);
                state.note_fault(&l, Fault::GivenUp);
                self.answer_wait(state, cpu, GIVEN_UP)?;
            }
        }
        self.check(state)
    }

    /// The wait of `cpu` is answered.
    fn answer_wait(&mut self, state: &mut State, cpu: usize, answer: u64) -> Result<(), Violation> {
        let node = self.next(state, cpu).expect("a step that can be taken");
        let next = self.calls.after(node, answer);
        self.put(state, cpu, next);
        self.settle(state, cpu)
    }

    /// Answers the next operation of `cpu`, and all that follow and concern it alone.
    fn do_next(&mut self, state: &mut State, cpu: usize) -> Result<(), Violation> {
        let node = self.next(state, cpu).expect("a step that can be taken");
        let next = match self.calls.op(node) {
            Op::SpinAgain { .. } | Op::SpinResume => self.calls.spin_start(node),
            op => {
                self.overwritten(state, cpu, op)?;
                let answer = self.perform(state, cpu, node);
                self.calls.after(node, answer)
            }
        };
        self.put(state, cpu, next);
        self.settle(state, cpu)
    }

    fn note_commit(&mut self, state: &State, cpu: usize, index: usize) {
        let store = state.buffer(&self.layout, cpu).nth(index);
        if let Some(Buffered::Store(word, value)) = store {
            let value = self.values.of(value);
            self.note(state, cpu, What::Commits { word, value }, None);
        }
    }
}
