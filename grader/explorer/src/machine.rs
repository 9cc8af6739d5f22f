//! The explored machine: what can happen next, and what it makes of a state.

use crate::addressing::{SpaceWords, Switching};
use crate::calls::{Call, Calls, LONGEST_CALL, NodeId, exhausted, unknown};
use crate::code::Source;
use crate::nmi::Nmi;
use crate::op::{EXPIRED, Fence, GIVEN_UP, Op, WordId};
use crate::ringing::{Apic, RingWords};
use crate::sharing::{Accessors, Sharing};
use crate::state::{Buffered, Fault, Layout, State};
use crate::story::{Impossible, Moment, What};
use shootdown::{CpuId, CpuSet};
use std::collections::HashMap;

/// Which stores become visible to others when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// As on x86: in order, but late (total store order; SDM vol. 3A, 9.2).
    Tso,
    /// In any order that the stores' and fences' own orderings allow. Stronger than what Rust
    /// promises (loads are not reordered), weaker than x86: shows a release that is missing.
    Relaxed,
}

/// What is explored.
#[derive(Clone, Debug)]
pub struct Scene {
    /// How many CPUs, 1 to 64.
    pub cpus: usize,
    /// What each thread calls, one after the other.
    pub threads: Vec<Script>,
    /// How many pages there are.
    pub pages: u8,
    /// How memory is ordered.
    pub memory: Memory,
    /// Whether sending empties the store buffer, as the seam promises. An x2APIC transport without
    /// its fence does not (I2).
    pub send_fences: bool,
    /// What may go wrong.
    pub faults: Faults,
    /// Whether threads that are not pinned move to idle CPUs, and threads outside critical
    /// sections make way for others of their CPU.
    pub scheduler: bool,
    /// How CPUs switch between spaces; `None` if all stay in the one that the pages are in.
    pub switching: Option<Switching>,
    /// The local APICs, where the code that sends is explored; `None` if interrupts are just sent.
    pub apic: Option<Apic>,
    /// Whether the pages are the kernel's: translations of them are global, and good in every space.
    pub global: bool,
    /// The non-maskable interrupts that come.
    pub nmi: Option<Nmi>,
}

impl Scene {
    /// Whether shootdowns are gathered.
    pub(crate) fn gathers(&self) -> bool {
        let mut calls = self.threads.iter().flat_map(|script| &script.calls);
        calls.any(|call| matches!(call, Call::ChangeSeveral { .. }))
    }
}

/// How often something may go wrong, at any time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Faults {
    /// Interrupts that are lost on their way. A wait that helps itself then runs out of patience, as often as
    /// one was lost.
    pub lost: u8,
    /// Interrupts that are late: a wait that helps itself runs out of patience, and they arrive all the same.
    pub late: u8,
    /// Interrupts that come once more.
    pub repeated: u8,
    /// Waits that are given up.
    pub given_up: u8,
}

/// What one thread does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// The CPU it begins on.
    pub cpu: u8,
    /// Its calls.
    pub calls: Vec<Call>,
}

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

/// What must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A CPU that is not in the handler can use a page's old version after the shootdown of it
    /// returned.
    Stale {
        /// The CPU.
        cpu: CpuId,
        /// The page.
        page: u8,
        /// What its TLB holds.
        held: u16,
        /// What it must hold at least.
        required: u16,
        /// Whether in user mode, by a translation of the user tables.
        user: bool,
    },
    /// A non-maskable interrupt's handler read by a page's old version after the shootdown of it returned.
    ReadByNmi {
        /// The CPU.
        cpu: CpuId,
        /// The page.
        page: u8,
    },
    /// A CPU can use a page of the space that it is no longer in.
    Foreign {
        /// The CPU.
        cpu: CpuId,
        /// The page.
        page: u8,
    },
    /// The protocol found a rule broken, or broke one of Rust's.
    Panic {
        /// Where.
        cpu: CpuId,
        /// What it said.
        message: String,
    },
    /// Nothing can happen any more, and these CPUs' threads are not done.
    Hang {
        /// Who waits.
        waiting: CpuSet,
    },
    /// One call goes on for ever.
    Livelock {
        /// Where.
        cpu: CpuId,
    },
    /// The code does not answer, or not as code can.
    Silent {
        /// Where.
        cpu: CpuId,
        /// What it does instead.
        why: String,
    },
}

impl Violation {
    /// The invariant that the protocol's own message names, as in `(I3: ...)`.
    pub fn names(&self) -> Option<u8> {
        let Violation::Panic { message, .. } = self else {
            return None;
        };
        let mut after = message
            .split("(I")
            .skip(1)
            .chain(message.split("rule I").skip(1));
        after.find_map(|text| {
            let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
            digits
                .parse()
                .ok()
                .filter(|number| (1..=20).contains(number))
        })
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Violation::Stale { cpu, page, .. } => write!(
                f,
                "CPU {cpu} can use the old translation of page {:#x} after its shootdown has returned",
                crate::host::address(*page)
            ),
            Violation::ReadByNmi { cpu, page } => write!(
                f,
                "an NMI's handler on CPU {cpu} uses the old translation of page {:#x} after its shootdown has returned",
                crate::host::address(*page)
            ),
            Violation::Foreign { cpu, page } => write!(
                f,
                "CPU {cpu} can use page {:#x} of a space that it is not in",
                crate::host::address(*page)
            ),
            Violation::Panic { cpu, message } => write!(f, "CPU {cpu} panics: {message}"),
            Violation::Hang { waiting } => {
                write!(f, "CPUs {waiting} wait, and nothing can happen any more")
            }
            Violation::Livelock { cpu } => write!(f, "a call on CPU {cpu} goes on for ever"),
            Violation::Silent { cpu, why } => write!(f, "the code on CPU {cpu} {why}"),
        }
    }
}

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

/// The values that words have held, numbered.
#[derive(Clone, Default)]
struct Values {
    all: Vec<u64>,
    numbers: HashMap<u64, u16>,
    frozen: bool,
}

impl Values {
    fn number(&mut self, value: u64) -> u16 {
        *self.numbers.entry(value).or_insert_with(|| {
            if self.frozen {
                unknown();
            }
            let number = u16::try_from(self.all.len()).unwrap_or_else(|_| exhausted());
            self.all.push(value);
            number
        })
    }

    fn of(&self, number: u16) -> u64 {
        self.all[usize::from(number)]
    }
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

    /// The wait of `cpu` is answered.
    fn answer_wait(&mut self, state: &mut State, cpu: usize, answer: u64) -> Result<(), Violation> {
        let node = self.next(state, cpu).expect("a step that can be taken");
        let next = self.calls.after(node, answer);
        self.put(state, cpu, next);
        self.settle(state, cpu)
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

    fn put(&self, state: &mut State, cpu: usize, node: NodeId) {
        let l = &self.layout;
        if state.handler(l, cpu).is_some() {
            return state.set_handler(l, cpu, Some(node));
        }
        let thread = state.running(l, cpu).expect("an idle CPU does nothing");
        state.set_node(l, thread, Some(node));
    }

    /// Does what concerns nobody else, until the next operation that does, and ends what is over.
    fn settle(&mut self, state: &mut State, cpu: usize) -> Result<(), Violation> {
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

    fn begin_call(&mut self, state: &mut State, thread: usize) -> Result<(), Violation> {
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

    /// Does the operation at `node` on `cpu`. Returns the answer.
    fn perform(&mut self, state: &mut State, cpu: usize, node: NodeId) -> u64 {
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

    fn note_commit(&mut self, state: &State, cpu: usize, index: usize) {
        let store = state.buffer(&self.layout, cpu).nth(index);
        if let Some(Buffered::Store(word, value)) = store {
            let value = self.values.of(value);
            self.note(state, cpu, What::Commits { word, value }, None);
        }
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
