//! How often a cache line goes from one CPU to another: what the emulator does not show, and hardware is slow at.

use crate::code::{Code, Declared};
use crate::machine::Machine;
use crate::op::{Op, WordId};
use crate::scene::Scene;
use crate::search::{LONGEST_SCHEDULE, Random, bounded, with_machine};
use crate::story::{Moment, What};
use shootdown::{CpuId, CpuSet};
use std::collections::HashMap;

/// How many words a request has.
const REQUEST_WORDS: usize = 6;

/// A cache line.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    /// The request of a CPU.
    Request(usize),
    /// One of those with slots.
    Slot(usize),
    /// Of a word alone.
    Word(usize),
}

/// Which line a word lies on; none for what is not the protocol's.
type Lines = HashMap<WordId, Line>;

/// Runs `runs` schedules of `scene`, drawn from `seed`, each to its end, and counts the transfers of cache lines in
/// all of them. A line that a CPU reads comes from whoever wrote it last; one that it writes from whoever else has it.
/// Equal arguments give equal counts. `None` if a schedule broke a rule, or did not end: then there is nothing to
/// count.
#[must_use]
pub fn transfers(code: &dyn Code, scene: &Scene, runs: usize, seed: u64) -> Option<u64> {
    with_machine(code, scene, |machine, declared, memory| {
        let lines = lines(declared, scene.cpus);
        let mut random = Random::new(seed);
        bounded(|| {
            let mut all = (0..runs).map(|_| run(machine, memory, &mut random, &lines));
            all.try_fold(0, |count, moved| Some(count + moved?))
        })?
    })
}

/// The transfers in one schedule.
fn run(
    machine: &mut Machine<'_>,
    memory: &[u64],
    random: &mut Random,
    lines: &Lines,
) -> Option<u64> {
    machine.log = Some(Vec::new());
    let (mut state, mut possible) = (machine.start(memory).ok()?, Vec::new());
    for _ in 0..LONGEST_SCHEDULE {
        machine.steps(&state, false, &mut possible);
        let Some(&step) = random.choose(&possible) else {
            let over = machine.unfinished(&state).is_empty();
            return over.then(|| moved(&machine.log.take().unwrap_or_default(), lines));
        };
        machine.take(&mut state, step).ok()?;
    }
    None
}

fn lines(declared: &Declared, cpus: usize) -> Lines {
    let all = || (0..cpus).filter_map(CpuId::new);
    // A word that is not said to lie anywhere has a line of its own: what is not said costs no less.
    let count = declared.words.len();
    let own = |word: usize| (WordId(word as u16), Line::Word(word));
    let mut lines: Lines = (0..count).map(own).collect();
    for initiator in all() {
        if let Some(head) = declared.head(initiator) {
            let words = (head.0..).take(REQUEST_WORDS).map(WordId);
            lines.extend(words.map(|word| (word, Line::Request(initiator.index()))));
        }
        for target in all() {
            if let Some(slot) = declared.slot(target, initiator) {
                let own = target.index() * cpus + initiator.index();
                let said = declared.lines.as_ref().and_then(|lines| lines.get(own));
                lines.insert(slot, Line::Slot(said.copied().unwrap_or(own)));
            }
        }
    }
    lines
}

/// The transfers in one run.
fn moved(moments: &[Moment], lines: &Lines) -> u64 {
    let mut holders: HashMap<Line, CpuSet> = HashMap::new();
    let mut count = 0;
    for moment in moments {
        let (word, writes) = match moment.what {
            What::Asks {
                op: Op::Load { word, .. },
                ..
            } => (word, false),
            What::Asks {
                op: Op::Modify { word, .. },
                ..
            }
            | What::Commits { word, .. } => (word, true),
            _ => continue,
        };
        let Some(line) = lines.get(&word) else {
            continue;
        };
        let holders = holders.entry(*line).or_insert(CpuSet::EMPTY);
        let own = CpuSet::only(moment.cpu);
        let fetched = if writes {
            *holders != own
        } else {
            !holders.contains(moment.cpu)
        };
        count += u64::from(fetched);
        *holders = if writes {
            own
        } else {
            holders.with(moment.cpu)
        };
    }
    count
}
