//! The explored machine: what it is made of, and how it runs.

mod perform;
mod progress;
mod steps;
mod take;
mod values;

pub use steps::Step;

use crate::addressing::SpaceWords;
use crate::calls::{Calls, NodeId};
use crate::op::{Op, WordId};
use crate::ringing::RingWords;
use crate::scene::Scene;
use crate::sharing::Sharing;
use crate::state::{Buffered, Layout, State};
use crate::story::{Impossible, Moment};
use crate::violation::Violation;
use shootdown::{CpuId, CpuSet};
use values::Values;

pub(crate) struct Machine<'p> {
    pub scene: Scene,
    pub calls: Calls<'p>,
    /// The first page's entry among the words.
    pub entries: WordId,
    pub sharing: Sharing,
    /// What has happened, if it is to be told.
    pub log: Option<Vec<Moment>>,
    /// What each word is for, by the name of its role.
    pub roles: Vec<&'static str>,
    /// Where the words of the space are, if CPUs switch.
    pub space_words: Option<SpaceWords>,
    /// Where the command registers are, if there are any.
    pub ring_words: Option<RingWords>,
    pub layout: Layout,
    values: Values,
}

pub(crate) fn id(cpu: usize) -> CpuId {
    CpuId::new(cpu).expect("at most 64 CPUs")
}

impl<'p> Machine<'p> {
    pub fn new(scene: Scene, calls: Calls<'p>, entries: WordId, words: usize) -> Self {
        let layout = Layout {
            words,
            cpus: scene.cpus,
            threads: scene.threads.len(),
            pages: usize::from(scene.pages),
            contexts: scene.contexts(),
        };
        Machine {
            scene,
            calls,
            entries,
            sharing: Sharing::new(words),
            log: None,
            roles: Vec::new(),
            space_words: None,
            ring_words: None,
            layout,
            values: Values::default(),
        }
    }

    /// A machine that knows what this one does, and learns nothing: what it would have to learn ends the step by
    /// unwinding with [`Unknown`](crate::calls::Unknown). So several of them give equal states equal names.
    pub fn frozen(&self) -> Machine<'static> {
        let (mut sharing, mut values) = (self.sharing.clone(), self.values.clone());
        sharing.freeze();
        values.frozen = true;
        Machine {
            scene: self.scene.clone(),
            calls: self.calls.frozen(),
            entries: self.entries,
            sharing,
            log: None,
            roles: self.roles.clone(),
            space_words: self.space_words.clone(),
            ring_words: self.ring_words.clone(),
            layout: self.layout,
            values,
        }
    }

    /// The state at the start: every TLB holds the first version of every page.
    pub fn start(&mut self, memory: &[u64]) -> Result<State, Violation> {
        let l = self.layout;
        let values = memory.iter().map(|&value| self.values.number(value));
        let mut state = State::new(&l, values);
        self.move_in(&mut state);
        for thread in 0..l.threads {
            let cpu = usize::from(self.scene.threads[thread].cpu);
            state.set_cpu_of(&l, thread, cpu);
            if state.running(&l, cpu).is_none() {
                state.set_running(&l, cpu, Some(thread));
            }
        }
        for thread in 0..l.threads {
            self.begin_call(&mut state, thread)?;
        }
        Ok(state)
    }

    /// Takes `steps` from the start. What happened, as far as it was kept, and what ended it.
    ///
    /// # Errors
    /// A step that cannot be taken where it comes.
    pub fn walk(
        &mut self,
        memory: &[u64],
        steps: &[Step],
    ) -> Result<(Vec<Moment>, Option<Violation>), Impossible> {
        let told =
            |machine: &mut Self, violation| Ok((machine.log.take().unwrap_or_default(), violation));
        let mut state = match self.start(memory) {
            Ok(state) => state,
            Err(violation) => return told(self, Some(violation)),
        };
        let mut possible = Vec::new();
        for (number, &step) in steps.iter().enumerate() {
            self.steps(&state, false, &mut possible);
            if !possible.contains(&step) {
                return Err(Impossible { number, step });
            }
            if let Err(violation) = self.take(&mut state, step) {
                return told(self, Some(violation));
            }
        }
        self.steps(&state, false, &mut possible);
        let waiting = self.unfinished(&state);
        let hangs = possible.is_empty() && !waiting.is_empty();
        told(self, hangs.then_some(Violation::Hang { waiting }))
    }

    /// Where threads have not finished.
    pub fn unfinished(&self, state: &State) -> CpuSet {
        let l = &self.layout;
        (0..l.threads)
            .filter(|&thread| state.node(l, thread).is_some())
            .map(|thread| id(state.cpu_of(l, thread)))
            .collect()
    }

    /// The operation that `cpu` would do next.
    pub(crate) fn next(&self, state: &State, cpu: usize) -> Option<NodeId> {
        let l = &self.layout;
        state
            .handler(l, cpu)
            .or_else(|| state.node(l, state.running(l, cpu)?))
    }

    pub(crate) fn value(&self, number: u16) -> u64 {
        self.values.of(number)
    }

    pub(crate) fn number(&mut self, value: u64) -> u16 {
        self.values.number(value)
    }

    pub(crate) fn can_do(&self, state: &State, cpu: usize) -> bool {
        let Some(node) = self.next(state, cpu) else {
            return false;
        };
        let value = |word| self.values.of(state.read(&self.layout, cpu, word));
        // A wait goes on when something it looked at has changed.
        !matches!(self.calls.op(node), Op::SpinAgain { .. })
            || self
                .calls
                .condition_of(node)
                .iter()
                .any(|&(word, seen)| value(word) != seen)
    }

    /// Whether a walk would find an entry of `page` that somebody has changed already, in a store
    /// that is not visible yet: any other walk does no harm.
    pub(crate) fn fills_late(&self, state: &State, page: u8) -> bool {
        let entry = self.entry(page);
        let stores = |buffered| matches!(buffered, Buffered::Store(word, _) if word == entry);
        (0..self.scene.cpus).any(|cpu| state.buffer(&self.layout, cpu).any(stores))
    }

    /// The version that a walk finds.
    pub(crate) fn walked(&self, state: &State, page: u8) -> u16 {
        self.values.of(state.memory(self.entry(page))) as u16
    }

    fn entry(&self, page: u8) -> WordId {
        WordId(self.entries.0 + u16::from(page))
    }
}
