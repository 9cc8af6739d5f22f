//! A foreign engine, stateright, looks at the same states: its own search, its own set of states seen, over the same
//! learnt code and machine.

use super::comes::Comes;
use super::{global_lock, queue, resending, scoreboard, textbook};
use crate::machine::Machine;
use crate::search::with_machine;
use crate::state::State;
use crate::textbook::Mutation;
use crate::{Code, Scene, Step, scenes, shortest};
use stateright::{Checker, Model, Property};
use std::sync::{Mutex, PoisonError};

/// What stateright explores.
struct Foreign {
    machine: Mutex<Machine<'static>>,
    start: State,
}

/// A state, or that the step before broke a rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Place {
    At(Box<State>),
    Broken,
}

impl Foreign {
    fn with<T>(&self, work: impl FnOnce(&mut Machine<'static>) -> T) -> T {
        work(&mut self.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hangs(&self, state: &State) -> bool {
        self.with(|machine| {
            let mut steps = Vec::new();
            machine.steps(state, false, &mut steps);
            steps.is_empty() && !machine.unfinished(state).is_empty()
        })
    }
}

impl Model for Foreign {
    type State = Place;
    type Action = Step;

    fn init_states(&self) -> Vec<Place> {
        vec![Place::At(Box::new(self.start.clone()))]
    }

    fn actions(&self, place: &Place, actions: &mut Vec<Step>) {
        if let Place::At(state) = place {
            self.with(|machine| machine.steps(state, false, actions));
        }
    }

    fn next_state(&self, place: &Place, step: Step) -> Option<Place> {
        let Place::At(state) = place else { return None };
        let mut next = (**state).clone();
        let taken = self.with(|machine| machine.take(&mut next, step));
        Some(taken.map_or(Place::Broken, |()| Place::At(Box::new(next))))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(
            "no rule is broken",
            |model: &Self, place| matches!(place, Place::At(state) if !model.hangs(state)),
        )]
    }
}

/// How many states there are, or the fewest steps to where a rule is broken, says stateright.
fn by_stateright(subject: &dyn Code, scene: &Scene) -> Result<usize, usize> {
    with_machine(subject, scene, |machine, _, memory| {
        let start = machine
            .start(memory)
            .expect("nothing is broken at the start");
        Comes::of(machine, &start, false, 100_000).expect("a small scene");
        let machine = Mutex::new(machine.frozen());
        let checker = Foreign { machine, start }.checker().spawn_bfs().join();
        match checker.discovery("no rule is broken") {
            None => Ok(checker.unique_state_count()),
            Some(path) => Err(path.into_actions().len()),
        }
    })
}

fn by_own_search(subject: &dyn Code, scene: &Scene) -> Result<usize, usize> {
    let outcome = shortest(subject, scene, 100_000);
    match outcome.found {
        None => {
            assert!(outcome.complete);
            Ok(outcome.states)
        }
        Some(found) => Err(found.steps.len()),
    }
}

#[test]
fn a_search_that_differs_from_a_foreign_engine_s() {
    let named = |name| scenes::find(name).expect("a scene").scene;
    for name in [
        "one",
        "range",
        "again",
        "both",
        "third",
        "again-weak",
        "enters",
        "user-back",
    ] {
        for subject in [&scoreboard as &dyn Code, &global_lock] {
            let own = by_own_search(subject, &named(name));
            assert_eq!(by_stateright(subject, &named(name)), own, "{name}");
        }
    }
    for (subject, name) in [(&queue as &dyn Code, "one"), (&resending, "lost")] {
        let own = by_own_search(subject, &named(name));
        assert_eq!(by_stateright(subject, &named(name)), own, "{name}");
    }
}

#[test]
fn a_mutant_that_only_a_foreign_engine_finds_or_sooner() {
    for (mutation, name) in [
        (Mutation::NoReleaseFence, "again-weak"),
        (Mutation::NoReleaseFence, "again"),
        (Mutation::NoWait, "one"),
        (Mutation::AcknowledgeBeforeCopy, "again"),
        (Mutation::NoInvalidation, "third"),
        (Mutation::WaitsMasked, "both"),
        (Mutation::Transposed, "one"),
        (Mutation::OffByOne, "range"),
        (Mutation::OffByOne, "one"),
        (Mutation::KernelTablesOnly, "user"),
    ] {
        let scene = scenes::find(name).expect("a scene").scene;
        let own = by_own_search(&textbook(mutation), &scene);
        let foreign = by_stateright(&textbook(mutation), &scene);
        assert_eq!(foreign, own, "{mutation:?} in {name}");
    }
}
