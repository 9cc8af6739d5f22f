//! What the explored code asks, learnt call by call: a trie of operations and answers.

use crate::code::{Answer, Built, Reached, Source};
use crate::frame::Frame;
use crate::op::{GIVEN_UP, Op, WordId};
use serde::{Deserialize, Serialize};
use shootdown::Point;

/// A place in a call: an operation that was reached by certain answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub(crate) u16);

/// Something that a CPU does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Call {
    /// Changes the entries of `pages` pages from `first` on to `version`, and shoots them down.
    Change {
        /// The first page.
        first: u8,
        /// How many.
        pages: u8,
        /// What the entries become.
        version: u8,
    },
    /// Changes the entries of the pages whose bits are set to `version`, lowest first, and then shoots them down with a
    /// request each, as many at once as the protocol gathers.
    ChangeSeveral {
        /// A bit for each page.
        pages: u8,
        /// What the entries become.
        version: u8,
    },
    /// Changes the entries of all pages, which are the kernel's, to `version`, and shoots everything down.
    ChangeKernel {
        /// What the entries become.
        version: u8,
    },
    /// Switches the CPU to the tables of a space: 1 is the pages', 2 another without any, 0 the kernel's.
    Activate(u8),
    /// Sends the shootdown interrupt, and nothing else.
    Ring {
        /// To these CPUs: a bit for each.
        to: u8,
        /// With interrupts off.
        masked: bool,
    },
    /// The shootdown interrupt's handler.
    Handle,
}

impl Call {
    /// The pages of `all` that are changed, in that order, and the version that they get.
    pub(crate) fn changes(self, all: u8) -> Option<(impl Iterator<Item = u8> + Clone, u8)> {
        let (range, bits, version) = match self {
            Call::Change {
                first,
                pages,
                version,
            } => (first..first + pages, None, version),
            Call::ChangeSeveral { pages, version } => (0..u8::BITS as u8, Some(pages), version),
            Call::ChangeKernel { version } => (0..all, None, version),
            Call::Activate(_) | Call::Ring { .. } | Call::Handle => return None,
        };
        let changed = move |page: &u8| bits.is_none_or(|bits| bits >> page & 1 != 0);
        Some((range.filter(changed), version))
    }
}

#[derive(Clone)]
struct Node {
    op: Op,
    at: Option<Source>,
    parent: Option<(NodeId, u64)>,
    /// How many operations came before.
    depth: u32,
    next: Vec<(u64, NodeId)>,
    /// For a wait that failed: what it had looked at since it began, and what it saw.
    condition: Box<[(WordId, u64)]>,
    /// Within a wait: where that is taken up again.
    wait: Option<NodeId>,
    /// The words that are loaded from here on, by [`bit`].
    loads: u128,
    /// And those that are stored to.
    stores: u128,
}

/// A word in a set of them: some have the same.
const fn bit(word: WordId) -> u128 {
    1 << (word.0 % 128)
}

/// Everything learnt about one protocol.
pub struct Calls<'p> {
    /// The code; without it nothing is learnt: what would have to be ends the step.
    code: Option<&'p dyn Built>,
    frame: Frame,
    nodes: Vec<Node>,
    roots: Vec<(Call, NodeId)>,
    messages: Vec<String>,
    replays: u64,
}

/// Ends a step that would have to learn something.
pub(crate) struct Unknown;

/// Ends the step, where nothing may be learnt.
#[cold]
pub(crate) fn unknown() -> ! {
    std::panic::resume_unwind(Box::new(Unknown))
}

/// Ends the search, which would have to learn more than there is room for.
pub(crate) struct Exhausted;

#[cold]
pub(crate) fn exhausted() -> ! {
    std::panic::resume_unwind(Box::new(Exhausted))
}

/// So many places are learnt at most: the kit's own protocols have some hundred.
const MOST_PLACES: usize = 20_000;

/// A call that asks more operations than this is in a loop that nothing ends.
pub const LONGEST_CALL: u32 = 400;

impl<'p> Calls<'p> {
    pub(crate) fn new(code: &'p dyn Built, frame: Frame) -> Self {
        Calls {
            code: Some(code),
            frame,
            nodes: Vec::new(),
            roots: Vec::new(),
            messages: Vec::new(),
            replays: 0,
        }
    }

    /// The same, without the code.
    pub(crate) fn frozen(&self) -> Calls<'static> {
        Calls {
            code: None,
            frame: self.frame.clone(),
            nodes: self.nodes.clone(),
            roots: self.roots.clone(),
            messages: self.messages.clone(),
            replays: self.replays,
        }
    }

    /// How often the code was asked.
    pub fn replays(&self) -> u64 {
        self.replays
    }

    /// Where `call` begins.
    pub(crate) fn begin(&mut self, call: Call) -> NodeId {
        if let Some(root) = self.root(call) {
            return root;
        }
        let root = self.learn(call, None);
        self.roots.push((call, root));
        root
    }

    pub(crate) fn op(&self, node: NodeId) -> Op {
        self.nodes[usize::from(node.0)].op
    }

    /// Where in the source it is asked for.
    pub(crate) fn at(&self, node: NodeId) -> Option<Source> {
        self.nodes[usize::from(node.0)].at.clone()
    }

    pub(crate) fn depth(&self, node: NodeId) -> u32 {
        self.nodes[usize::from(node.0)].depth
    }

    /// Where `call` begins, if that is known.
    pub(crate) fn root(&self, call: Call) -> Option<NodeId> {
        let root = self.roots.iter().find(|(known, _)| *known == call);
        root.map(|&(_, root)| root)
    }

    /// What comes after `node` was answered with `answer`, if that is known.
    pub(crate) fn known_after(&self, node: NodeId, answer: u64) -> Option<NodeId> {
        let known = self
            .next_of(node)
            .iter()
            .find(|(known, _)| *known == answer);
        known.map(|&(_, next)| next)
    }

    /// What is known to come after a place, by the answer there.
    pub(crate) fn next_of(&self, node: NodeId) -> &[(u64, NodeId)] {
        &self.nodes[usize::from(node.0)].next
    }

    /// The place from which everything can be come to that can be from `node`: within a wait, where it begins.
    pub(crate) fn taken_up(&self, node: NodeId) -> NodeId {
        self.nodes[usize::from(node.0)].wait.unwrap_or(node)
    }

    /// Whether an access of `word` may come from `node` on. False is certain, as far as is known.
    pub(crate) fn may_access(&self, node: NodeId, word: WordId, reads: bool) -> bool {
        let node = &self.nodes[usize::from(node.0)];
        let all = if reads { node.loads } else { 0 } | node.stores;
        all & bit(word) != 0
    }

    /// Whether `op` stores to `word`, or loads it if `reads`. Who invalidates a page may walk to its entry afterwards.
    pub(crate) fn accesses(&self, op: Op, word: WordId, reads: bool) -> bool {
        match op {
            Op::Load { word: loaded, .. } => reads && loaded == word,
            Op::Store { word: stored, .. } | Op::Modify { word: stored, .. } => stored == word,
            Op::Invlpg(page) => reads && word == self.frame.entry(page),
            _ => reads && op.invalidates() && word >= self.frame.entry(0),
        }
    }

    /// Whether `node` loads a word as the first thing of a wait's condition.
    pub(crate) fn begins_condition(&self, node: NodeId) -> bool {
        let node = &self.nodes[usize::from(node.0)];
        let after = node.parent.map(|(parent, _)| self.op(parent));
        matches!(node.op, Op::Load { .. }) && after == Some(Op::SpinStart)
    }

    /// Whether a wait's condition does not hold when `node` loads `value`, as far as is known.
    pub(crate) fn fails(&self, node: NodeId, value: u64) -> bool {
        let next = self.known_after(node, value);
        next.is_some_and(|next| matches!(self.op(next), Op::SpinAgain { .. }))
    }

    /// How much has been learnt.
    pub(crate) fn learnt(&self) -> usize {
        self.nodes.len()
    }

    /// The message of a panic, or why there is no answer.
    pub fn message(&self, number: u16) -> &str {
        &self.messages[usize::from(number)]
    }

    /// What comes after `node` was answered with `answer`.
    pub(crate) fn after(&mut self, node: NodeId, answer: u64) -> NodeId {
        if let Some(next) = self.known_after(node, answer) {
            return next;
        }
        let call = self.call_of(node);
        let next = self.learn(call, Some((node, answer)));
        self.nodes[usize::from(node.0)].next.push((answer, next));
        next
    }

    /// The loads since the wait at `again` began, each with what it read.
    pub(crate) fn condition_of(&self, again: NodeId) -> &[(WordId, u64)] {
        &self.nodes[usize::from(again.0)].condition
    }

    fn loads_since_spin(&self, parent: Option<(NodeId, u64)>) -> Box<[(WordId, u64)]> {
        let (mut loads, mut at) = (Vec::new(), parent);
        while let Some((node, answer)) = at {
            match self.op(node) {
                Op::SpinStart => break,
                Op::Load { word, .. } => loads.push((word, answer)),
                _ => {}
            }
            at = self.nodes[usize::from(node.0)].parent;
        }
        loads.into()
    }

    /// Where the wait that failed at `again` is taken up.
    pub(crate) fn spin_start(&self, again: NodeId) -> NodeId {
        let mut at = again;
        while let Some((parent, _)) = self.nodes[usize::from(at.0)].parent {
            if self.op(parent) == Op::SpinStart {
                return parent;
            }
            at = parent;
        }
        unreachable!("a wait has a start")
    }

    fn call_of(&self, node: NodeId) -> Call {
        let mut at = node;
        while let Some((parent, _)) = self.nodes[usize::from(at.0)].parent {
            at = parent;
        }
        let root = self.roots.iter().find(|(_, root)| *root == at);
        root.expect("every call has a root").0
    }

    fn learn(&mut self, call: Call, parent: Option<(NodeId, u64)>) -> NodeId {
        let Some(code) = self.code else {
            unknown();
        };
        let (mut answers, mut asked, mut at) = (Vec::new(), Vec::new(), parent);
        while let Some((node, answer)) = at {
            answers.push(answer);
            asked.push(self.op(node));
            at = self.nodes[usize::from(node.0)].parent;
        }
        answers.reverse();
        asked.reverse();
        if self.nodes.len() >= MOST_PLACES {
            exhausted();
        }
        self.replays += 1;
        let (op, at) = match self.ask(code, call, &asked, &answers) {
            Reached::Asks(op, at) => (op, Some(at)),
            Reached::Over(Ok(())) => (Op::Return, None),
            Reached::Over(Err(_)) => (Op::Abandoned, None),
            Reached::Panicked(message) => (Op::Panicked(self.say(message)), None),
            Reached::Silent(why) => (Op::Silent(self.say(why)), None),
        };
        let depth = parent.map_or(0, |(node, _)| self.depth(node) + 1);
        let condition = match op {
            Op::SpinAgain { .. } => self.loads_since_spin(parent),
            _ => Box::default(),
        };
        let wait = parent.and_then(|(node, answer)| self.wait_after(node, answer));
        self.nodes.push(Node {
            op,
            at,
            parent,
            depth,
            next: Vec::new(),
            condition,
            wait,
            loads: 0,
            stores: 0,
        });
        self.note_accesses(op, self.nodes.len() - 1);
        NodeId(self.nodes.len() as u16 - 1)
    }

    /// The wait that goes on after `node` was answered.
    fn wait_after(&self, node: NodeId, answer: u64) -> Option<NodeId> {
        match self.op(node) {
            Op::SpinStart => Some(node),
            Op::SpinAgain { .. } if answer == GIVEN_UP => None,
            Op::Point(Point::Done) => None,
            _ => self.nodes[usize::from(node.0)].wait,
        }
    }

    /// Tells all places from which `op` can be come to.
    fn note_accesses(&mut self, op: Op, at: usize) {
        let (loads, stores) = match op {
            Op::Load { word, .. } => (bit(word), 0),
            Op::Store { word, .. } => (0, bit(word)),
            Op::Modify { word, .. } => (bit(word), bit(word)),
            Op::Invlpg(page) => (bit(self.frame.entry(page)), 0),
            _ if op.invalidates() => (u128::MAX, 0),
            _ => return,
        };
        let mut at = Some(at);
        while let Some(number) = at {
            let node = &mut self.nodes[number];
            node.loads |= loads;
            node.stores |= stores;
            at = node.parent.map(|(parent, _)| usize::from(parent.0));
        }
    }

    fn say(&mut self, message: String) -> u16 {
        self.messages.push(message);
        self.messages.len() as u16 - 1
    }

    /// What comes after `answers`, which are to `expected`; that the code asks the same as before is checked.
    fn ask(&self, code: &dyn Built, call: Call, expected: &[Op], answers: &[u64]) -> Reached {
        let Answer { asked, reached } = code.ask(call, answers);
        if matches!(reached, Reached::Silent(_)) {
            return reached;
        }
        if asked != expected {
            let first = expected
                .iter()
                .zip(&asked)
                .position(|(old, new)| old != new);
            let first = first.unwrap_or(asked.len());
            let said = |ops: &[Op]| {
                ops.get(first)
                    .map_or("nothing".into(), |op| format!("{op:?}"))
            };
            return Reached::Silent(format!(
                "does not answer the same twice: it asks {} where it had asked {}, so it depends on more than the \
                 machine tells it",
                said(&asked),
                said(expected)
            ));
        }
        match self.frame.check(call, expected, answers, &reached) {
            Ok(()) => reached,
            Err(why) => Reached::Silent(format!("sent what is no answer: {why}")),
        }
    }
}
