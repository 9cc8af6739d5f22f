//! Whether somebody can come to an access of a word while others stand still.
//!
//! The answer is found in what was learnt of the code, each CPU for itself: it goes any way through its calls on which
//! every load finds a value that may be there. A value may be there if it is there now, if it is in a store buffer that
//! may be emptied, or if somebody who does not stand still is known to write it. All who run can do no more than that.

use crate::calls::{Call, NodeId};
use crate::machine::Machine;
use crate::op::{Op, WordId};
use crate::sharing::Accessors;
use crate::state::{Buffered, State};

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'s> {
    pub state: &'s State,
    pub word: WordId,
    /// Whether loads count, or stores only.
    pub reads: bool,
    /// Who stands still.
    pub still: Accessors,
    /// The CPU whose store buffer stands still too.
    pub holds: Option<usize>,
}

impl Machine<'_> {
    /// Whether anybody who does not stand still can come to the access before any who does goes on.
    pub(crate) fn reaches(&self, question: &Question<'_>) -> bool {
        let l = &self.layout;
        let state = question.state;
        (0..l.threads).any(|thread| {
            let cpu = state.cpu_of(l, thread);
            !question.still.contain(Accessors::thread(cpu))
                && self.thread_reaches(question, cpu, thread)
        }) || (0..l.cpus).any(|cpu| {
            !question.still.contain(Accessors::handler(cpu)) && self.handler_reaches(question, cpu)
        })
    }

    fn thread_reaches(&self, question: &Question<'_>, cpu: usize, thread: usize) -> bool {
        let l = &self.layout;
        let Some(node) = question.state.node(l, thread) else {
            return false;
        };
        let later = &self.scene.threads[thread].calls[question.state.made(l, thread) + 1..];
        self.comes_from(question, cpu, self.calls.taken_up(node))
            || later.iter().any(|&call| {
                let root = self.calls.root(call);
                root.is_some_and(|root| self.comes_from(question, cpu, root))
            })
    }

    /// The interrupt may come whenever there is one to come.
    fn handler_reaches(&self, question: &Question<'_>, cpu: usize) -> bool {
        let now = question.state.handler(&self.layout, cpu);
        let root = self.calls.root(Call::Handle);
        now.map(|node| self.calls.taken_up(node))
            .into_iter()
            .chain(root)
            .any(|node| self.comes_from(question, cpu, node))
    }

    fn comes_from(&self, question: &Question<'_>, cpu: usize, node: NodeId) -> bool {
        if !self.calls.may_access(node, question.word, question.reads) {
            return false;
        }
        let on = |next: &[(u64, NodeId)], possible: &dyn Fn(u64) -> bool| {
            next.iter()
                .any(|&(answer, next)| possible(answer) && self.comes_from(question, cpu, next))
        };
        let next = self.calls.next_of(node);
        match self.calls.op(node) {
            op if self.calls.accesses(op, question.word, question.reads) => {
                !self.waits_at(node) || self.wait_ends(question, cpu, node)
            }
            Op::Load { word, .. } => on(next, &|value| self.possible(question, cpu, word, value)),
            Op::Me => on(next, &|answer| answer == cpu as u64),
            _ => on(next, &|_| true),
        }
    }

    /// Whether `word` may come to hold `value`, for `cpu`.
    fn possible(&self, question: &Question<'_>, cpu: usize, word: WordId, value: u64) -> bool {
        self.possibilities(question, cpu, word)
            .any(|possible| possible.is_none_or(|possible| possible == value))
    }

    /// What `word` may come to hold, for `cpu`; `None` for anything.
    fn possibilities(
        &self,
        question: &Question<'_>,
        cpu: usize,
        word: WordId,
    ) -> impl Iterator<Item = Option<u64>> {
        let (l, state) = (&self.layout, question.state);
        let now = [state.read(l, cpu, word), state.memory(word)];
        let buffered = (0..l.cpus)
            .filter(|&other| question.holds != Some(other))
            .flat_map(move |other| state.buffer(l, other))
            .filter_map(move |buffered| match buffered {
                Buffered::Store(stored, value) if stored == word => Some(value),
                _ => None,
            });
        now.into_iter()
            .chain(buffered)
            .map(|number| Some(self.value(number)))
            .chain(self.sharing.by_others(word, question.still))
    }

    /// Whether the wait whose condition begins at `node` may be found to be over, or is not known well enough.
    fn wait_ends(&self, question: &Question<'_>, cpu: usize, node: NodeId) -> bool {
        let Op::Load { word, .. } = self.calls.op(node) else {
            return true;
        };
        self.possibilities(question, cpu, word)
            .any(|value| value.is_none_or(|value| !self.calls.fails(node, value)))
    }

    /// Whether `node` is a wait's first load, of which a search without something that ends waits need not see how
    /// it fails: what it read then is forgotten, and nothing came of it.
    pub(crate) fn waits_at(&self, node: NodeId) -> bool {
        let faults = self.scene.faults;
        faults.given_up == 0
            && faults.lost == 0
            && faults.late == 0
            && self.calls.begins_condition(node)
    }
}
