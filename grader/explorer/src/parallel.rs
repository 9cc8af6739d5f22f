//! The search by several threads at once, for scenes with millions of states.
//!
//! What a state's numbers stand for is learnt while searching, so threads that learn by themselves would give equal
//! states different names. Here each has a machine that learns nothing: what one would have to learn it leaves, and
//! when all the rest is done, one thread learns that and the search goes on from there. It is little: a few hundred
//! things in a hundred million states.

use crate::calls::Unknown;
use crate::machine::{Machine, Step};
use crate::search::Taken;
use crate::state::State;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex};
use std::thread;

/// Parts of the set of states seen, each with its lock: many, so that threads seldom meet at one.
const SHARDS: usize = 1024;
/// A thread that has more than so many states to look at leaves some to others.
const SPARE: usize = 64;

type Shard = Mutex<HashSet<u128, BuildHasherDefault<Taken>>>;

/// How a search by threads ended.
pub(crate) enum Ended {
    /// Every state was looked at, and no rule is broken.
    Holds {
        /// How many there are.
        states: usize,
        /// What it took to know them, in bytes.
        bytes: usize,
    },
    /// A rule is broken somewhere.
    Broken,
    /// There are more states than were to be looked at.
    TooMany {
        /// How many were.
        states: usize,
        /// What it took to know them, in bytes.
        bytes: usize,
    },
}

/// What the threads share.
struct Common {
    seen: Vec<Shard>,
    states: AtomicUsize,
    limit: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// How many states wait for a thread, as a hint.
    spare: AtomicUsize,
    broken: AtomicBool,
    over: AtomicBool,
}

/// What is left to do.
struct Waiting {
    states: Vec<State>,
    /// How many threads have nothing to do.
    idle: usize,
    /// What could not be done without learning.
    unknown: Vec<(State, Option<Step>)>,
}

impl Common {
    fn new(limit: usize) -> Self {
        Common {
            seen: (0..SHARDS).map(|_| Shard::default()).collect(),
            states: AtomicUsize::new(0),
            limit,
            waiting: Mutex::new(Waiting {
                states: Vec::new(),
                idle: 0,
                unknown: Vec::new(),
            }),
            changed: Condvar::new(),
            spare: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    /// Whether nobody has seen `state` before.
    fn is_new(&self, state: &State) -> bool {
        let fingerprint = state.fingerprint();
        let shard = &self.seen[(fingerprint >> 64) as usize % SHARDS];
        let new = lock(shard).insert(fingerprint);
        if new && self.states.fetch_add(1, Relaxed) >= self.limit {
            self.over.store(true, Relaxed);
        }
        new
    }

    fn stops(&self) -> bool {
        self.broken.load(Relaxed) || self.over.load(Relaxed)
    }

    /// States to look at, or nothing when no thread has any.
    fn take(&self, threads: usize) -> Option<Vec<State>> {
        let mut waiting = lock(&self.waiting);
        waiting.idle += 1;
        loop {
            if self.stops() || (waiting.states.is_empty() && waiting.idle == threads) {
                self.changed.notify_all();
                return None;
            }
            if !waiting.states.is_empty() {
                let from = waiting.states.len() / 2;
                let taken = waiting.states.split_off(from);
                self.spare.store(waiting.states.len(), Relaxed);
                waiting.idle -= 1;
                return Some(taken);
            }
            waiting = match self.changed.wait(waiting) {
                Ok(waiting) => waiting,
                Err(poisoned) => poisoned.into_inner(),
            };
        }
    }

    /// Leaves the oldest half of `stack` to others.
    fn give(&self, stack: &mut Vec<State>) {
        let mut waiting = lock(&self.waiting);
        waiting.states.extend(stack.drain(..stack.len() / 2));
        self.spare.store(waiting.states.len(), Relaxed);
        self.changed.notify_all();
    }

    fn bytes(&self) -> usize {
        let shards = self.seen.iter();
        shards
            .map(|shard| lock(shard).capacity() * (size_of::<u128>() + 1))
            .sum()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Looks at every state that can be reached from `start`, by `threads` threads.
pub(crate) fn search(
    machine: &mut Machine<'_>,
    start: &State,
    limit: usize,
    threads: usize,
) -> Ended {
    let mut known = machine.learnt();
    let mut common = Common::new(limit);
    common.is_new(start);
    let mut states = vec![start.clone()];
    loop {
        lock(&common.waiting).states = states;
        lock(&common.waiting).idle = 0;
        thread::scope(|scope| {
            for _ in 0..threads {
                let (common, machine) = (&common, machine.frozen());
                scope.spawn(move || work(machine, common, threads));
            }
        });
        if common.broken.load(Relaxed) {
            return Ended::Broken;
        }
        let (states_seen, bytes) = (common.states.load(Relaxed), common.bytes());
        if common.over.load(Relaxed) {
            return Ended::TooMany {
                // Threads may each be one ahead.
                states: states_seen.min(limit),
                bytes,
            };
        }
        let unknown = std::mem::take(&mut lock(&common.waiting).unknown);
        if !unknown.is_empty() {
            match learn(machine, &common, unknown) {
                Some(next) => states = next,
                None => return Ended::Broken,
            }
        } else if machine.learnt() == known {
            return Ended::Holds {
                states: states_seen,
                bytes,
            };
        } else {
            // What may be done alone is judged by what is known: from the start, knowing better.
            known = machine.learnt();
            common = Common::new(limit);
            common.is_new(start);
            states = vec![start.clone()];
        }
    }
}

/// Does what could not be done without learning; the states to go on from. `None` if a rule is broken.
fn learn(
    machine: &mut Machine<'_>,
    common: &Common,
    unknown: Vec<(State, Option<Step>)>,
) -> Option<Vec<State>> {
    let mut next = Vec::new();
    for (state, step) in unknown {
        let mut after = state.clone();
        let Some(step) = step else {
            machine.go_alone(&mut after, &mut Vec::new()).ok()?;
            next.push(state);
            continue;
        };
        machine.take(&mut after, step).ok()?;
        if common.is_new(&after) {
            next.push(after);
        }
    }
    Some(next)
}

/// What one thread does.
fn work(mut machine: Machine<'_>, common: &Common, threads: usize) {
    let (mut steps, mut unknown) = (Vec::new(), Vec::new());
    while let Some(mut stack) = common.take(threads) {
        while let Some(state) = stack.pop() {
            if common.stops() {
                break;
            }
            if !expand(
                &mut machine,
                common,
                state,
                &mut stack,
                &mut steps,
                &mut unknown,
            ) {
                common.broken.store(true, Relaxed);
                break;
            }
            if stack.len() > SPARE && common.spare.load(Relaxed) < threads {
                common.give(&mut stack);
            }
        }
    }
    lock(&common.waiting).unknown.append(&mut unknown);
}

/// Puts what follows `state` on the stack. False if a rule is broken.
fn expand(
    machine: &mut Machine<'_>,
    common: &Common,
    mut state: State,
    stack: &mut Vec<State>,
    steps: &mut Vec<Step>,
    unknown: &mut Vec<(State, Option<Step>)>,
) -> bool {
    let before = state.clone();
    steps.clear();
    // What unwinds is looked at anew, by a machine that learns.
    match catch_unwind(AssertUnwindSafe(|| machine.go_alone(&mut state, steps))) {
        Ok(Ok(())) if steps.is_empty() || common.is_new(&state) => {}
        Ok(Ok(())) => return true,
        Ok(Err(_)) => return false,
        Err(payload) if payload.is::<Unknown>() => {
            unknown.push((before, None));
            return true;
        }
        Err(payload) => resume_unwind(payload),
    }
    machine.steps(&state, true, steps);
    if steps.is_empty() && !machine.unfinished(&state).is_empty() {
        return false;
    }
    for &step in &*steps {
        let mut next = state.clone();
        match catch_unwind(AssertUnwindSafe(|| machine.take(&mut next, step))) {
            Ok(Ok(())) => {
                if common.is_new(&next) {
                    stack.push(next);
                }
            }
            Ok(Err(_)) => return false,
            Err(payload) if payload.is::<Unknown>() => unknown.push((state.clone(), Some(step))),
            Err(payload) => resume_unwind(payload),
        }
    }
    true
}
