//! Which step may be taken alone, and the others later: the reduction.
//!
//! In a state, a step may be taken alone if whatever can happen without it commutes with it: each thing that happens
//! leads to the same whether the step comes before or after, and neither prevents the other. Then every run from the
//! state can be rearranged to begin with that step, and comes to the same hang, the same panic and, as long as the step
//! takes no stale translation away, to the same use of one. (A persistent set of one step: Godefroid, LNCS 1032,
//! chapter 4.) A step that has its turn never comes back to a state before it: calls only go on, and what is taken up
//! again waits for a change. So no step is put off for ever.
//!
//! What can happen without the step is found by [`Machine::reaches`] in what was learnt of the code. If there is more
//! that was not learnt yet, its first step is one that the code asks from a place that is known: it commutes with all
//! that was taken early, so the search comes to it, and learns. Hence a search that has learnt nothing has looked at
//! enough; one that has is made again.

use crate::calls::{Call, NodeId};
use crate::machine::{Machine, Step};
use crate::op::{Fence, Op, WordId};
use crate::reach::Question;
use crate::scene::Memory;
use crate::sharing::Accessors;
use crate::state::{Buffered, State};
use crate::violation::Violation;

impl Machine<'_> {
    /// How much has been learnt: a search that has learnt nothing found this the same before and after.
    pub(crate) fn learnt(&self) -> usize {
        self.calls.learnt() + self.sharing.learnt()
    }

    /// Takes steps that may be taken alone, until there is none. They are added to `taken`.
    ///
    /// # Errors
    /// The rule that the last of them breaks.
    pub(crate) fn go_alone(
        &mut self,
        state: &mut State,
        taken: &mut Vec<Step>,
    ) -> Result<(), Violation> {
        while let Some(step) = self.alone(state) {
            taken.push(step);
            self.take(state, step)?;
        }
        Ok(())
    }

    /// A step that may be taken alone.
    pub(crate) fn alone(&self, state: &State) -> Option<Step> {
        (0..self.scene.cpus).find_map(|cpu| {
            let commits = self.commits_alone(state, cpu);
            commits
                .then_some(Step::Commit(cpu as u8, 0))
                .or_else(|| self.does_alone(state, cpu).then_some(Step::Do(cpu as u8)))
        })
    }

    /// Nothing but the code's own operations changes words, and threads stay where they are.
    fn is_simple(&self) -> bool {
        self.scene.apic.is_none() && !self.scene.scheduler
    }

    /// Whether the oldest store of `cpu` may become visible at once: nobody else can come to its word before another
    /// store of this CPU is visible, which comes after it. What the CPU itself loads is its own store either way, and
    /// what empties the buffer makes it visible too.
    fn commits_alone(&self, state: &State, cpu: usize) -> bool {
        let oldest = state.buffer(&self.layout, cpu).next();
        let Some(Buffered::Store(word, _)) = oldest else {
            return false;
        };
        self.is_simple()
            && self.scene.memory == Memory::Tso
            && !self.walks_to(state, word)
            && self.stays_alone(state, word, Some(cpu), Accessors::cpu(cpu), true)
    }

    /// Whether nobody but who stands still, `cpu` among them, can come to `word`.
    fn stays_alone(
        &self,
        state: &State,
        word: WordId,
        holds: Option<usize>,
        still: Accessors,
        reads: bool,
    ) -> bool {
        let buffered = (0..self.layout.cpus).any(|other| {
            !still.contain(Accessors::thread(other)) && self.has_buffered(state, other, word)
        });
        !buffered
            && !self.reaches(&Question {
                state,
                word,
                reads,
                still,
                holds,
            })
    }

    fn has_buffered(&self, state: &State, cpu: usize, word: WordId) -> bool {
        state
            .buffer(&self.layout, cpu)
            .any(|entry| matches!(entry, Buffered::Store(stored, _) if stored == word))
    }

    /// Whether `word` is an entry that a CPU may walk to now.
    fn walks_to(&self, state: &State, word: WordId) -> bool {
        let Some(page) = word.0.checked_sub(self.entries.0) else {
            return false;
        };
        let absent = |cpu| {
            state
                .held(&self.layout, cpu, 0, usize::from(page))
                .is_none()
        };
        self.scene.switching.is_some() || (0..self.layout.cpus).any(absent)
    }

    /// Whether the next operation of `cpu` may be done at once.
    fn does_alone(&self, state: &State, cpu: usize) -> bool {
        let Some(node) = self.next(state, cpu) else {
            return false;
        };
        if !self.can_do(state, cpu) || self.is_put_off(state, cpu, node) {
            return false;
        }
        let l = &self.layout;
        let in_handler = state.handler(l, cpu).is_some();
        // Nothing comes between its operations.
        let undisturbed = in_handler || state.masked(l, cpu);
        let still = if undisturbed {
            Accessors::cpu(cpu)
        } else {
            Accessors::thread(cpu)
        };
        let simple = self.is_simple();
        // No store can overtake an earlier one of the same CPU.
        let in_order = simple && self.scene.memory == Memory::Tso;
        let alone = match self.calls.op(node) {
            Op::Load { word, .. } => simple && self.stays_alone(state, word, None, still, false),
            Op::Store { .. } if undisturbed && self.scene.nmi.is_none() => true,
            // An interrupt that comes first does not find it in the buffer, which it empties. That makes no difference
            // if nobody can see the word before another store of this thread is visible.
            Op::Store { word, .. } => {
                in_order
                    && !self.walks_to(state, word)
                    && self.stays_alone(state, word, None, still, true)
            }
            Op::Fence(Fence::Release) => in_order || undisturbed && self.scene.nmi.is_none(),
            Op::Fence(Fence::Full) | Op::LeaveCritical => simple,
            // What it takes away, a non-maskable interrupt's handler can use before.
            op if op.invalidates() && self.scene.nmi.is_some() => false,
            // In the handler nobody else can.
            Op::Invlpg(page) => in_handler || simple && self.is_only_changed_by(state, cpu, page),
            Op::ReloadCr3 | Op::FlushGlobal | Op::FlushAllButGlobal => in_handler,
            _ => false,
        };
        alone && self.ends_quietly(state, cpu, node)
    }

    /// Whether the operation at `node` need not be done yet, since the same comes of it in smaller steps or later: what
    /// empties the store buffer follows what becomes visible one by one, and the condition of a wait is looked at when
    /// it holds.
    pub(crate) fn is_put_off(&self, state: &State, cpu: usize, node: NodeId) -> bool {
        let l = &self.layout;
        match self.calls.op(node) {
            Op::Load { word, .. } => {
                let value = self.value(state.read(l, cpu, word));
                self.waits_at(node) && self.calls.fails(node, value)
            }
            Op::Send(_) if !self.scene.send_fences => false,
            op => op.serialises() && state.buffered(l, cpu) > 0,
        }
    }

    /// Whether only the thread that `cpu` runs changes `page`, so that no shootdown of it can return meanwhile.
    fn is_only_changed_by(&self, state: &State, cpu: usize, page: u8) -> bool {
        let entry = WordId(self.entries.0 + u16::from(page));
        let l = &self.layout;
        let changes = |call: &Call| {
            let changed = call.changes(self.scene.pages);
            changed.is_some_and(|(mut pages, _)| pages.any(|changed| changed == page))
        };
        let buffered = (0..l.cpus).any(|cpu| self.has_buffered(state, cpu, entry));
        let mut threads = self.scene.threads.iter().enumerate();
        self.scene.switching.is_none()
            && !buffered
            && threads.all(|(number, thread)| {
                state.running(l, cpu) == Some(number) || !thread.calls.iter().any(changes)
            })
    }

    /// Whether the call does not end after the operation at `node`, or its end is nothing that others could see but
    /// by the rule that it makes stricter: a handler's end empties the store buffer, and where CPUs switch between
    /// spaces the end of a call changes which translations are in use.
    fn ends_quietly(&self, state: &State, cpu: usize, node: NodeId) -> bool {
        let l = &self.layout;
        let (mut answer, mut empty) = (0, state.buffered(l, cpu) == 0);
        match self.calls.op(node) {
            Op::Load { word, .. } => answer = self.value(state.read(l, cpu, word)),
            Op::Store { .. } => empty = false,
            _ => {}
        }
        if self.scene.switching.is_none() && (empty || state.handler(l, cpu).is_none()) {
            return true;
        }
        let mut next = self.calls.known_after(node, answer);
        while let Some(node) = next {
            match self.calls.op(node) {
                Op::Return | Op::Abandoned | Op::Panicked(_) => return false,
                op if !op.is_local() => return true,
                // Any answer will do: one that is not the right one may end the call, and then the step is not alone.
                _ => {
                    let known = self.calls.next_of(node);
                    let [(_, only)] = known else { return false };
                    next = Some(*only);
                }
            }
        }
        false
    }
}
