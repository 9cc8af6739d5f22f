//! How often a cache line goes from one CPU to another: what the emulator does not show, and hardware is slow at.

use crate::machine::Scene;
use crate::op::{Op, WordId};
use crate::search::{Random, Subject, with_machine};
use crate::story::{Moment, What};
use shootdown::{CpuId, CpuSet, Protocol};
use std::collections::HashMap;

/// How many words a request has.
const REQUEST_WORDS: u16 = 6;

/// Which line a word lies on; none for what is not the protocol's.
type Lines = HashMap<WordId, (bool, usize)>;

/// Runs `runs` schedules of `scene`, drawn from `seed`, each to its end, and counts the transfers of cache lines in
/// all of them. A line that a CPU reads comes from whoever wrote it last; one that it writes from whoever else has it.
/// Equal arguments give equal counts. `None` if a schedule broke a rule: then there is nothing to count.
#[must_use]
pub fn transfers(subject: &dyn Subject, scene: &Scene, runs: usize, seed: u64) -> Option<u64> {
    with_machine(subject, scene, |machine, protocol, memory| {
        let lines = lines(subject, protocol, scene.cpus);
        let mut random = Random::new(seed);
        let (mut possible, mut count) = (Vec::new(), 0);
        for _ in 0..runs {
            machine.log = Some(Vec::new());
            let mut state = machine.start(memory).ok()?;
            loop {
                machine.steps(&state, false, &mut possible);
                let Some(&step) = random.choose(&possible) else {
                    break;
                };
                machine.take(&mut state, step).ok()?;
            }
            if !machine.unfinished(&state).is_empty() {
                return None;
            }
            count += moved(&machine.log.take().unwrap_or_default(), &lines);
        }
        Some(count)
    })
}

fn lines(subject: &dyn Subject, protocol: &dyn Protocol<crate::host::Host>, cpus: usize) -> Lines {
    let all = || (0..cpus).filter_map(CpuId::new);
    let said = subject.lines();
    let mut lines = Lines::new();
    for initiator in all() {
        if let Some(head) = protocol.head(initiator) {
            let first = head.id().0;
            let words = (first..first + REQUEST_WORDS).map(WordId);
            lines.extend(words.map(|word| (word, (true, initiator.index()))));
        }
        for target in all() {
            if let Some(slot) = protocol.slot(target, initiator) {
                let own = target.index() * cpus + initiator.index();
                let line = said.map_or(own, |line| line(cpus, target, initiator));
                lines.insert(slot.id(), (false, line));
            }
        }
    }
    lines
}

/// The transfers in one run.
fn moved(moments: &[Moment], lines: &Lines) -> u64 {
    let mut holders: HashMap<(bool, usize), CpuSet> = HashMap::new();
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
