//! The search: every state that can be reached, each once.

use crate::addressing::SpaceWords;
use crate::calls::{Calls, Exhausted};
use crate::code::{Code, Declared, Setup};
use crate::frame::Frame;
use crate::host::{self, Host};
use crate::local::KitWords;
use crate::machine::{Machine, Step};
use crate::parallel;
use crate::scene::Scene;
use crate::state::State;
use crate::violation::Violation;
use shootdown::{CpuId, Membership, Protocol, Standard, Transport};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a search found.
#[derive(Debug)]
pub struct Outcome {
    /// How many states there are, or were looked at before it ended.
    pub states: usize,
    /// How often the code was asked what it does.
    pub replays: u64,
    /// The first violation, and the steps to it from the start.
    pub found: Option<Found>,
    /// Whether every reachable state was looked at.
    pub complete: bool,
    /// How much memory it took to know which states were seen, in bytes; 0 for a sample.
    pub bytes: usize,
}

/// A violation and how it comes about.
#[derive(Debug)]
pub struct Found {
    /// What is violated.
    pub violation: Violation,
    /// The steps from the start, the violating one included.
    pub steps: Vec<Step>,
}

/// Code of this process that may be explored: anything that builds a protocol for so many CPUs.
pub trait Subject {
    /// Builds it.
    fn build(&self, machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>>;

    /// How CPUs come to be in a space, and who is asked: the kit's own way.
    fn membership(&self) -> Box<dyn Membership<Host>> {
        Box::new(Standard)
    }

    /// On which cache line the slot of a target (the second) for an initiator (the third) lies, of so many CPUs; each
    /// on one of its own unless it is said.
    fn lines(&self) -> Option<fn(usize, CpuId, CpuId) -> usize> {
        None
    }

    /// How interrupts are sent, if that is to be explored too.
    fn transport(&self) -> Option<Box<dyn Transport<Host>>> {
        None
    }
}

impl<F: Fn(&Host, usize) -> Box<dyn Protocol<Host>>> Subject for F {
    fn build(&self, machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>> {
        self(machine, cpus)
    }
}

/// Looks at every state of `scene` that `code` can reach, at most `limit` of them, but for those that
/// need not be looked at (`reduce`). Deep first: finds whether there is a violation, by whatever way.
pub fn verify(code: &dyn Code, scene: &Scene, limit: usize) -> Outcome {
    explore(code, scene, |machine, start| {
        let outcome = by_one(machine, &start, limit.min(ALONE));
        let ended = outcome.found.is_some() || outcome.complete || limit <= ALONE;
        if ended {
            return outcome;
        }
        by_threads(machine, start, limit)
    })
}

/// Searches until there is a violation, or nothing more to learn.
fn by_one(machine: &mut Machine<'_>, start: &State, limit: usize) -> Outcome {
    loop {
        let before = machine.learnt();
        let outcome = DeepFirst::new(machine, limit).run(start.clone());
        if outcome.found.is_some() || !outcome.complete || machine.learnt() == before {
            return outcome;
        }
    }
}

/// So many states are looked at by one thread, before others are worth their while.
const ALONE: usize = 1_000_000;

/// The rest of [`verify`], for a scene with many states.
fn by_threads(machine: &mut Machine<'_>, start: State, limit: usize) -> Outcome {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (states, complete, bytes) = match parallel::search(machine, &start, limit, threads) {
        parallel::Ended::Holds { states, bytes } => (states, true, bytes),
        parallel::Ended::TooMany { states, bytes } => (states, false, bytes),
        // One thread finds the way there, and equal runs find the same one.
        parallel::Ended::Broken => return by_one(machine, &start, limit),
    };
    Outcome {
        states,
        replays: 0,
        found: None,
        complete,
        bytes,
    }
}

/// The same, wide first and without leaving steps out: a violation is found by the fewest steps.
pub fn shortest(code: &dyn Code, scene: &Scene, limit: usize) -> Outcome {
    explore(code, scene, |machine, start| {
        wide_first(machine, start, limit)
    })
}

/// Tries `runs` schedules of `scene`, each drawn step by step from `seed`, to their ends: for scenes of which
/// not every state can be looked at. What it does not find may be there: the outcome is never
/// [`complete`](Outcome::complete), and its `states` counts steps. A schedule that does not end ends it.
pub fn sample(code: &dyn Code, scene: &Scene, runs: usize, seed: u64) -> Outcome {
    explore(code, scene, |machine, start| {
        let mut random = Random::new(seed);
        let (mut possible, mut taken) = (Vec::new(), 0);
        for _ in 0..runs {
            let (mut state, mut steps) = (start.clone(), Vec::new());
            let violation = loop {
                machine.steps(&state, false, &mut possible);
                let Some(&step) = random.choose(&possible) else {
                    let waiting = machine.unfinished(&state);
                    break (!waiting.is_empty()).then_some(Violation::Hang { waiting });
                };
                steps.push(step);
                if let Err(violation) = machine.take(&mut state, step) {
                    break Some(violation);
                }
                if steps.len() > LONGEST_SCHEDULE {
                    return sampled(taken + steps.len(), None);
                }
            };
            taken += steps.len();
            if let Some(violation) = violation {
                return sampled(taken, Some(Found { violation, steps }));
            }
        }
        sampled(taken, None)
    })
}

/// A schedule with more steps than this is taken for one that nothing ends: waits that wake one another.
pub(crate) const LONGEST_SCHEDULE: usize = 100_000;

fn sampled(states: usize, found: Option<Found>) -> Outcome {
    Outcome {
        states,
        replays: 0,
        found,
        complete: false,
        bytes: 0,
    }
}

/// xorshift64*: equal seeds give equal schedules.
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub fn choose<'s, T>(&mut self, all: &'s [T]) -> Option<&'s T> {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        all.get(usize::try_from(drawn).unwrap_or(0) % all.len().max(1))
    }
}

/// The outcome of `work`, which gets the machine and its first state; a violation before the first
/// step is all there is to find.
fn explore(
    code: &dyn Code,
    scene: &Scene,
    work: impl FnOnce(&mut Machine<'_>, State) -> Outcome,
) -> Outcome {
    with_machine(code, scene, |machine, _, memory| {
        let outcome = bounded(|| match machine.start(memory) {
            Ok(state) => work(machine, state),
            Err(violation) => Outcome {
                states: 1,
                replays: 0,
                found: Some(Found {
                    violation,
                    steps: Vec::new(),
                }),
                complete: true,
                bytes: 0,
            },
        });
        // There is more to learn than there is room for: nothing is proved.
        let mut outcome = outcome.unwrap_or_else(|| sampled(0, None));
        outcome.replays = machine.calls.replays();
        outcome
    })
}

/// What `work` comes to; `None` if it would have to learn more than there is room for.
pub(crate) fn bounded<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<Exhausted>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Builds the machine for `work`, which also gets what the code says of itself and the words' first values: the
/// code's, then the kit's.
pub(crate) fn with_machine<T>(
    code: &dyn Code,
    scene: &Scene,
    work: impl FnOnce(&mut Machine<'_>, &Declared, &[u64]) -> T,
) -> T {
    let setup = Setup::of(scene);
    let built = code.build(&setup);
    let declared = built.declared();
    let kit = host::build(scene.cpus, setup.mode, |machine| {
        for &(initial, role) in &declared.words {
            host::make_word(initial, role);
        }
        KitWords::new(machine, &setup, declared.sends)
    });
    let (mut memory, roles): (Vec<u64>, Vec<&'static str>) = host::words().into_iter().unzip();
    let space_words = kit.spaces.as_ref().map(|spaces| {
        let words = SpaceWords::of(spaces, scene.cpus, setup.mode);
        words.move_in(scene, &mut memory);
        words
    });
    let ring_words = kit.registers.as_ref().map(|registers| {
        let words = registers.words();
        words.prepare(scene, &mut memory);
        words
    });
    let frame = Frame::new(setup, kit.entries, memory.len(), ring_words.clone());
    let calls = Calls::new(&*built, frame);
    let mut machine = Machine::new(scene.clone(), calls, kit.entries, memory.len());
    machine.roles = roles;
    machine.space_words = space_words;
    machine.ring_words = ring_words;
    work(&mut machine, declared, &memory)
}

/// A hasher for fingerprints, which are random already.
#[derive(Default)]
pub(crate) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("fingerprints only");
    }

    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = fingerprint as u64;
    }
}

struct Level {
    state: State,
    /// What was done alone to come here.
    lead: Vec<Step>,
    steps: Vec<Step>,
    next: usize,
}

struct DeepFirst<'m, 'p> {
    machine: &'m mut Machine<'p>,
    seen: HashSet<u128, BuildHasherDefault<Taken>>,
    path: Vec<Level>,
    limit: usize,
}

impl<'m, 'p> DeepFirst<'m, 'p> {
    fn new(machine: &'m mut Machine<'p>, limit: usize) -> Self {
        DeepFirst {
            machine,
            seen: HashSet::default(),
            path: Vec::new(),
            limit,
        }
    }

    fn run(mut self, start: State) -> Outcome {
        self.seen.insert(start.fingerprint());
        if let Err(violation) = self.enter(start) {
            return self.end(Some(violation), true);
        }
        while let Some(level) = self.path.last_mut() {
            let Some(&step) = level.steps.get(level.next) else {
                self.path.pop();
                continue;
            };
            level.next += 1;
            let mut state = level.state.clone();
            if let Err(violation) = self.machine.take(&mut state, step) {
                return self.end(Some(violation), false);
            }
            if !self.seen.insert(state.fingerprint()) {
                continue;
            }
            if self.seen.len() > self.limit {
                return self.end(None, false);
            }
            if let Err(violation) = self.enter(state) {
                return self.end(Some(violation), false);
            }
        }
        self.end(None, true)
    }

    fn enter(&mut self, mut state: State) -> Result<(), Violation> {
        let mut lead = Vec::new();
        let alone = self.machine.go_alone(&mut state, &mut lead);
        let new = lead.is_empty() || self.seen.insert(state.fingerprint());
        let mut steps = Vec::new();
        if alone.is_ok() {
            if !new {
                return Ok(());
            }
            self.machine.steps(&state, true, &mut steps);
        }
        let waiting = self.machine.unfinished(&state);
        let hangs = alone.is_ok() && steps.is_empty() && !waiting.is_empty();
        self.path.push(Level {
            state,
            lead,
            steps,
            next: 0,
        });
        if hangs {
            return Err(Violation::Hang { waiting });
        }
        alone
    }

    fn end(self, violation: Option<Violation>, complete: bool) -> Outcome {
        let steps = self.path.iter().flat_map(|level| {
            let taken = level.next.checked_sub(1);
            let taken = taken.and_then(|taken| level.steps.get(taken));
            level.lead.iter().chain(taken).copied()
        });
        let steps = steps.collect();
        Outcome {
            states: self.seen.len(),
            replays: 0,
            found: violation.map(|violation| Found { violation, steps }),
            complete,
            bytes: self.seen.capacity() * (size_of::<u128>() + 1),
        }
    }
}

fn wide_first(machine: &mut Machine<'_>, start: State, limit: usize) -> Outcome {
    let mut seen = HashMap::new();
    let mut queue = VecDeque::new();
    let first = start.fingerprint();
    seen.insert(first, None);
    queue.push_back((first, start));
    let mut steps = Vec::new();
    while let Some((fingerprint, state)) = queue.pop_front() {
        machine.steps(&state, false, &mut steps);
        let unfinished = machine.unfinished(&state);
        if steps.is_empty() && !unfinished.is_empty() {
            let waiting = unfinished;
            return found(&seen, fingerprint, None, Violation::Hang { waiting });
        }
        for &step in &steps {
            let mut next = state.clone();
            if let Err(violation) = machine.take(&mut next, step) {
                return found(&seen, fingerprint, Some(step), violation);
            }
            let key = next.fingerprint();
            if let Entry::Vacant(unseen) = seen.entry(key) {
                unseen.insert(Some((fingerprint, step)));
                queue.push_back((key, next));
            }
        }
        if seen.len() > limit {
            break;
        }
    }
    Outcome {
        states: seen.len(),
        replays: 0,
        found: None,
        complete: queue.is_empty(),
        bytes: seen.capacity() * size_of::<(u128, Option<(u128, Step)>)>(),
    }
}

type Seen = HashMap<u128, Option<(u128, Step)>>;

fn found(seen: &Seen, at: u128, last: Option<Step>, violation: Violation) -> Outcome {
    let mut steps: Vec<Step> = last.into_iter().collect();
    let mut at = at;
    while let Some(Some((before, step))) = seen.get(&at) {
        steps.push(*step);
        at = *before;
    }
    steps.reverse();
    Outcome {
        states: seen.len(),
        replays: 0,
        found: Some(Found { violation, steps }),
        complete: false,
        bytes: seen.capacity() * size_of::<(u128, Option<(u128, Step)>)>(),
    }
}
