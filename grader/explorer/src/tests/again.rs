//! Another way to look at every state, to hold the search against: schedules by their length, each taken anew from the
//! start, without fingerprints and without leaving steps out. A schedule is made longer unless it comes to a state, kept
//! whole, that a shorter one came to.

use super::{plain, scoreboard, textbook};
use crate::machine::Machine;
use crate::search::with_machine;
use crate::state::State;
use crate::{Code, Scene, Step, scenes, shortest};
use std::collections::BTreeSet;

/// How many different states there are, or the fewest steps to where a rule is broken.
fn by_schedules(subject: &dyn Code, scene: &Scene) -> Result<usize, usize> {
    with_machine(subject, scene, |machine, _, memory| {
        let mut seen = BTreeSet::new();
        let (mut fewest, mut schedules) = (None, vec![Vec::new()]);
        // All schedules of a length before any longer one.
        while !schedules.is_empty() && fewest.is_none() {
            let mut longer = Vec::new();
            for schedule in schedules {
                match at_end(machine, memory, &schedule) {
                    Ok((state, possible)) => {
                        if seen.insert(state) {
                            longer.extend(possible.into_iter().map(|step| {
                                let mut longer = schedule.clone();
                                longer.push(step);
                                longer
                            }));
                        }
                    }
                    Err(()) => fewest = fewest.or(Some(schedule.len())),
                }
            }
            schedules = longer;
        }
        fewest.map_or(Ok(seen.len()), Err)
    })
}

/// Where a schedule leads, and what can happen then; an error if a rule is broken there.
fn at_end(
    machine: &mut Machine<'_>,
    memory: &[u64],
    schedule: &[Step],
) -> Result<(State, Vec<Step>), ()> {
    let mut state = machine.start(memory).map_err(drop)?;
    for &step in schedule {
        machine.take(&mut state, step).map_err(drop)?;
    }
    let mut possible = Vec::new();
    machine.steps(&state, false, &mut possible);
    if possible.is_empty() && !machine.unfinished(&state).is_empty() {
        return Err(());
    }
    Ok((state, possible))
}

#[test]
fn a_search_that_looks_at_fewer_states_or_finds_a_longer_way() {
    for name in ["one", "range", "again", "third", "enters", "user-back"] {
        let scene = scenes::find(name).expect("a scene").scene;
        let searched = shortest(&scoreboard, &scene, 1_000_000);
        assert!(searched.complete, "{name}");
        assert_eq!(
            by_schedules(&scoreboard, &scene),
            Ok(searched.states),
            "{name}"
        );
        for mutation in plain() {
            let subject = textbook(mutation);
            let searched = shortest(&subject, &scene, 1_000_000);
            // A hang is noticed where nothing can happen any more, all else by the step that breaks the rule.
            let expected = match &searched.found {
                Some(found) => Err(found.steps.len()),
                None => Ok(searched.states),
            };
            assert_eq!(
                by_schedules(&subject, &scene),
                expected,
                "{mutation:?} in {name}"
            );
        }
    }
}
