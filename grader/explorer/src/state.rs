//! One moment of the machine, packed: what decides what can happen next, and nothing else.

use crate::calls::NodeId;
use crate::op::WordId;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128;

/// Where the parts of a state lie. All are 16-bit numbers; an optional one is 0 for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub words: usize,
    pub cpus: usize,
    pub threads: usize,
    pub pages: usize,
    /// How many PCIDs' translations a TLB keeps apart; those of a user PCID count by themselves.
    pub contexts: usize,
}

/// Of a CPU, before its TLB.
const FLAGS: usize = 0;
const HANDLER: usize = 1;
const RUNNING: usize = 2;
const BUFFERED: usize = 3;
const TABLES: usize = 4;
const TLB: usize = 5;

const IRR: u16 = 1;
const MASKED: u16 = 2;
/// From here on in the flags: how often its waits' patience has ended.
const EXPIRED: u16 = 16;

/// Which page tables a CPU uses.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Tables {
    /// The space whose tables CR3 holds; 0 is the kernel's.
    pub space: u8,
    /// The PCID in CR3.
    pub pcid: u8,
    /// The space that is recorded as current.
    pub current: u8,
    /// Whether the user PCID is to be flushed on the way out.
    pub deferred: bool,
}

/// Of a thread.
const CPU: usize = 0;
const MADE: usize = 1;
const NODE: usize = 2;
const PINS: usize = 3;
const CRITICAL: usize = 4;
const THREAD: usize = 5;

/// What a CPU's store buffer holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Buffered {
    /// A store that no other CPU sees yet: a word, and the number of its value.
    Store(WordId, u16),
    /// What comes after is not visible before what came before: a release.
    Barrier,
}

/// What has gone wrong so far, each a count: interrupts lost, interrupts that came again, waits given up,
/// sends between which another came, non-maskable interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Lost,
    Repeated,
    GivenUp,
    Disturbed,
    Nmi,
}

const FAULTS: usize = 5;

const BARRIER: u16 = u16::MAX;

/// Everything that decides what can happen next: the words' values (by number), each CPU's flags,
/// handler, thread and TLB, each thread's place, the versions required, what has gone wrong, and at the end
/// the store buffers, one after the other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct State(SmallVec<[u16; 128]>);

impl Layout {
    fn cpu(&self, cpu: usize) -> usize {
        self.words + cpu * (TLB + self.contexts * self.pages)
    }

    fn thread(&self, thread: usize) -> usize {
        self.cpu(self.cpus) + thread * THREAD
    }

    fn required(&self) -> usize {
        self.thread(self.threads)
    }

    fn faults(&self) -> usize {
        self.required() + self.pages
    }

    fn buffers(&self) -> usize {
        self.faults() + FAULTS
    }
}

fn some(number: u16) -> Option<u16> {
    number.checked_sub(1)
}

impl State {
    /// A state in which nothing has happened: every CPU is in space 1, and its TLB holds version 0 of every page.
    pub fn new(l: &Layout, values: impl Iterator<Item = u16>) -> State {
        let mut state = State(SmallVec::from_elem(0, l.buffers()));
        for (word, value) in values.enumerate() {
            state.0[word] = value;
        }
        for cpu in 0..l.cpus {
            state.set_tables(
                l,
                cpu,
                Tables {
                    space: 1,
                    current: 1,
                    ..Tables::default()
                },
            );
            for page in 0..l.pages {
                state.set_held(l, cpu, 0, page, Some(0));
            }
        }
        state
    }

    /// 128 bits that stand for it: among 2^32 states two agree by chance with probability 2^-65.
    pub fn fingerprint(&self) -> u128 {
        xxh3_128(bytemuck::cast_slice(&self.0))
    }

    /// The number of the value that memory holds.
    pub fn memory(&self, word: WordId) -> u16 {
        self.0[usize::from(word.0)]
    }

    pub fn set_memory(&mut self, word: WordId, value: u16) {
        self.0[usize::from(word.0)] = value;
    }

    /// Whether an interrupt is pending: more of one vector than one are still one.
    pub fn irr(&self, l: &Layout, cpu: usize) -> bool {
        self.0[l.cpu(cpu) + FLAGS] & IRR != 0
    }

    pub fn masked(&self, l: &Layout, cpu: usize) -> bool {
        self.0[l.cpu(cpu) + FLAGS] & MASKED != 0
    }

    fn set_flag(&mut self, at: usize, flag: u16, on: bool) {
        let flags = &mut self.0[at + FLAGS];
        *flags = if on { *flags | flag } else { *flags & !flag };
    }

    pub fn set_irr(&mut self, l: &Layout, cpu: usize, pending: bool) {
        self.set_flag(l.cpu(cpu), IRR, pending);
    }

    pub fn set_masked(&mut self, l: &Layout, cpu: usize, masked: bool) {
        self.set_flag(l.cpu(cpu), MASKED, masked);
    }

    /// How often the patience of its waits has ended.
    pub fn expired(&self, l: &Layout, cpu: usize) -> u16 {
        self.0[l.cpu(cpu) + FLAGS] / EXPIRED
    }

    pub fn expire(&mut self, l: &Layout, cpu: usize) {
        self.0[l.cpu(cpu) + FLAGS] += EXPIRED;
    }

    pub fn faults(&self, l: &Layout, fault: Fault) -> u16 {
        self.0[l.faults() + fault as usize]
    }

    pub fn note_fault(&mut self, l: &Layout, fault: Fault) {
        self.0[l.faults() + fault as usize] += 1;
    }

    /// Where its handler is, while it is in service.
    pub fn handler(&self, l: &Layout, cpu: usize) -> Option<NodeId> {
        some(self.0[l.cpu(cpu) + HANDLER]).map(NodeId)
    }

    pub fn set_handler(&mut self, l: &Layout, cpu: usize, node: Option<NodeId>) {
        self.0[l.cpu(cpu) + HANDLER] = node.map_or(0, |node| node.0 + 1);
    }

    /// The thread it runs.
    pub fn running(&self, l: &Layout, cpu: usize) -> Option<usize> {
        some(self.0[l.cpu(cpu) + RUNNING]).map(usize::from)
    }

    pub fn set_running(&mut self, l: &Layout, cpu: usize, thread: Option<usize>) {
        self.0[l.cpu(cpu) + RUNNING] = thread.map_or(0, |thread| thread as u16 + 1);
    }

    /// The version of a page that its TLB holds in `context`.
    pub fn held(&self, l: &Layout, cpu: usize, context: usize, page: usize) -> Option<u16> {
        some(self.0[l.cpu(cpu) + TLB + context * l.pages + page])
    }

    pub fn set_held(
        &mut self,
        l: &Layout,
        cpu: usize,
        context: usize,
        page: usize,
        version: Option<u16>,
    ) {
        self.0[l.cpu(cpu) + TLB + context * l.pages + page] =
            version.map_or(0, |version| version + 1);
    }

    /// Empties a context of its TLB.
    pub fn forget(&mut self, l: &Layout, cpu: usize, context: usize) {
        (0..l.pages).for_each(|page| self.set_held(l, cpu, context, page, None));
    }

    /// Which page tables it uses.
    pub fn tables(&self, l: &Layout, cpu: usize) -> Tables {
        let word = self.0[l.cpu(cpu) + TABLES];
        Tables {
            pcid: word as u8,
            space: (word >> 8) as u8 & 3,
            current: (word >> 10) as u8 & 3,
            deferred: word >> 12 != 0,
        }
    }

    pub fn set_tables(&mut self, l: &Layout, cpu: usize, tables: Tables) {
        let spaces = u16::from(tables.space) << 8 | u16::from(tables.current) << 10;
        self.0[l.cpu(cpu) + TABLES] =
            u16::from(tables.pcid) | spaces | u16::from(tables.deferred) << 12;
    }

    /// The version older than which no CPU may use: its shootdown has returned.
    pub fn required(&self, l: &Layout, page: usize) -> u16 {
        self.0[l.required() + page]
    }

    pub fn set_required(&mut self, l: &Layout, page: usize, version: u16) {
        self.0[l.required() + page] = version;
    }

    /// The CPU of a thread.
    pub fn cpu_of(&self, l: &Layout, thread: usize) -> usize {
        usize::from(self.0[l.thread(thread) + CPU])
    }

    pub fn set_cpu_of(&mut self, l: &Layout, thread: usize, cpu: usize) {
        self.0[l.thread(thread) + CPU] = cpu as u16;
    }

    /// How many calls it has made.
    pub fn made(&self, l: &Layout, thread: usize) -> usize {
        usize::from(self.0[l.thread(thread) + MADE])
    }

    pub fn set_made(&mut self, l: &Layout, thread: usize, made: usize) {
        self.0[l.thread(thread) + MADE] = made as u16;
    }

    /// Where it is in the call it makes; `None` when it has made all.
    pub fn node(&self, l: &Layout, thread: usize) -> Option<NodeId> {
        some(self.0[l.thread(thread) + NODE]).map(NodeId)
    }

    pub fn set_node(&mut self, l: &Layout, thread: usize, node: Option<NodeId>) {
        self.0[l.thread(thread) + NODE] = node.map_or(0, |node| node.0 + 1);
    }

    pub fn pins(&mut self, l: &Layout, thread: usize) -> &mut u16 {
        &mut self.0[l.thread(thread) + PINS]
    }

    pub fn critical(&mut self, l: &Layout, thread: usize) -> &mut u16 {
        &mut self.0[l.thread(thread) + CRITICAL]
    }

    pub fn pinned(&self, l: &Layout, thread: usize) -> bool {
        self.0[l.thread(thread) + PINS] > 0
    }

    pub fn in_critical(&self, l: &Layout, thread: usize) -> bool {
        self.0[l.thread(thread) + CRITICAL] > 0
    }

    /// How many entries the buffer of `cpu` holds.
    pub fn buffered(&self, l: &Layout, cpu: usize) -> usize {
        usize::from(self.0[l.cpu(cpu) + BUFFERED])
    }

    fn buffer_at(&self, l: &Layout, cpu: usize) -> usize {
        let before: usize = (0..cpu).map(|cpu| self.buffered(l, cpu)).sum();
        l.buffers() + 2 * before
    }

    /// The buffer of `cpu`, oldest first.
    pub fn buffer(&self, l: &Layout, cpu: usize) -> impl DoubleEndedIterator<Item = Buffered> {
        let at = self.buffer_at(l, cpu);
        self.0[at..at + 2 * self.buffered(l, cpu)]
            .chunks_exact(2)
            .map(|entry| match entry[0] {
                BARRIER => Buffered::Barrier,
                word => Buffered::Store(WordId(word), entry[1]),
            })
    }

    pub fn push(&mut self, l: &Layout, cpu: usize, entry: Buffered) {
        let end = self.buffer_at(l, cpu) + 2 * self.buffered(l, cpu);
        let words = match entry {
            Buffered::Store(word, value) => [word.0, value],
            Buffered::Barrier => [BARRIER, 0],
        };
        self.0.insert_from_slice(end, &words);
        self.0[l.cpu(cpu) + BUFFERED] += 1;
    }

    fn take(&mut self, l: &Layout, cpu: usize, index: usize) -> Buffered {
        let at = self.buffer_at(l, cpu) + 2 * index;
        let entry = match self.0[at] {
            BARRIER => Buffered::Barrier,
            word => Buffered::Store(WordId(word), self.0[at + 1]),
        };
        self.0.drain(at..at + 2);
        self.0[l.cpu(cpu) + BUFFERED] -= 1;
        entry
    }

    /// Makes the store at `index` of the buffer visible.
    pub fn commit(&mut self, l: &Layout, cpu: usize, index: usize) {
        if let Buffered::Store(word, value) = self.take(l, cpu, index) {
            self.set_memory(word, value);
        }
        while self.buffer(l, cpu).next() == Some(Buffered::Barrier) {
            self.take(l, cpu, 0);
        }
    }

    /// Makes every store of `cpu` visible, oldest first.
    pub fn drain(&mut self, l: &Layout, cpu: usize) {
        while self.buffered(l, cpu) > 0 {
            self.commit(l, cpu, 0);
        }
    }

    /// The number of what `cpu` reads: its own latest store, or memory.
    pub fn read(&self, l: &Layout, cpu: usize, word: WordId) -> u16 {
        let latest = self.buffer(l, cpu).rev().find_map(|entry| match entry {
            Buffered::Store(stored, value) if stored == word => Some(value),
            _ => None,
        });
        latest.unwrap_or(self.memory(word))
    }
}
