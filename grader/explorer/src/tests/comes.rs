//! All that comes of a scene, with every step and with those that the search leaves out left out: it must be the same.

use super::{plain, resending, scoreboard, textbook};
use crate::machine::Machine;
use crate::search::with_machine;
use crate::state::State;
use crate::textbook::Mutation;
use crate::{Code, Scene, Violation, scenes};
use std::collections::{BTreeSet, HashSet};

/// What comes of a scene.
#[derive(Default)]
pub struct Comes {
    /// The states in which nothing can happen any more.
    ends: BTreeSet<State>,
    /// What can be used on the way and must not be; the way goes on.
    unlawful: BTreeSet<String>,
    /// A rule is broken otherwise: there is no way on, and this is as far as was looked.
    broken: bool,
    /// How many states were looked at.
    states: usize,
}

impl Comes {
    /// `None` if there are more states than `limit`.
    pub fn of(
        machine: &mut Machine<'_>,
        start: &State,
        reduce: bool,
        limit: usize,
    ) -> Option<Comes> {
        let (mut comes, mut seen) = (Comes::default(), HashSet::new());
        let (mut steps, mut stack) = (Vec::new(), vec![start.clone()]);
        while let Some(mut state) = stack.pop() {
            while let Some(step) = machine.alone(&state).filter(|_| reduce) {
                let outcome = machine.take(&mut state, step);
                comes.note(machine, &state, outcome);
                if comes.broken {
                    return Some(comes);
                }
            }
            if !seen.insert(state.fingerprint()) {
                continue;
            }
            if seen.len() > limit {
                return None;
            }
            machine.steps(&state, reduce, &mut steps);
            if steps.is_empty() {
                comes.ends.insert(where_waits_fail(machine, state));
                continue;
            }
            for &step in &steps {
                let mut next = state.clone();
                let outcome = machine.take(&mut next, step);
                comes.note(machine, &next, outcome);
                if comes.broken {
                    return Some(comes);
                }
                stack.push(next);
            }
        }
        comes.states = seen.len();
        Some(comes)
    }

    /// Notes what is wrong in `state`, to which a step led.
    fn note(&mut self, machine: &Machine<'_>, state: &State, outcome: Result<(), Violation>) {
        match outcome {
            Ok(()) => {}
            Err(Violation::Stale { .. } | Violation::Foreign { .. }) => {
                let unlawful = machine.unlawful(state);
                self.unlawful.extend(unlawful.map(|it| format!("{it:?}")));
            }
            Err(read @ Violation::ReadByNmi { .. }) => {
                self.unlawful.insert(format!("{read:?}"));
            }
            Err(_) => self.broken = true,
        }
    }
}

/// Where nothing can happen but that waits fail, they do.
fn where_waits_fail(machine: &mut Machine<'_>, mut state: State) -> State {
    let mut steps = Vec::new();
    loop {
        machine.steps(&state, false, &mut steps);
        let Some(&step) = steps.first() else {
            return state;
        };
        // What can be used there and must not be was noted before.
        let _ = machine.take(&mut state, step);
    }
}

/// Holds one against the other. How many states there are, and how many were looked at when reduced; `None` if there
/// are more than `limit`.
pub fn compare(
    subject: &dyn Code,
    scene: &Scene,
    limit: usize,
    what: &str,
) -> Option<(usize, usize)> {
    with_machine(subject, scene, |machine, _, memory| {
        let Ok(start) = machine.start(memory) else {
            return Some((1, 1));
        };
        let reduced = loop {
            let before = machine.learnt();
            let reduced = Comes::of(machine, &start, true, limit);
            if machine.learnt() == before {
                break reduced;
            }
        };
        let known = machine.learnt();
        let whole = Comes::of(machine, &start, false, limit)?;
        let reduced = reduced.expect("no more states than there are");
        assert_eq!(reduced.broken, whole.broken, "{what}");
        if !whole.broken {
            assert!(reduced.states <= whole.states, "{what}");
            assert!(reduced.ends == whole.ends, "other ends: {what}");
            assert_eq!(reduced.unlawful, whole.unlawful, "{what}");
            assert_eq!(machine.learnt(), known, "there was more to learn: {what}");
        }
        Some((whole.states, reduced.states))
    })
}

/// The scenes in which every state can be looked at in no time.
fn small() -> impl Iterator<Item = scenes::Named> {
    let large = [
        "two-of-three",
        "everyone",
        "crowd",
        "given-up-of-three",
        "moved-and-given-up",
        "several-third",
        "several-both",
    ];
    scenes::every().filter(move |scene| !large.contains(&scene.name))
}

#[test]
fn a_reduction_that_changes_what_comes_of_a_scene() {
    for named in small() {
        let limit = 200_000;
        for subject in [&scoreboard as &dyn Code, &resending] {
            let (whole, reduced) = compare(subject, &named.scene, limit, named.name)
                .unwrap_or_else(|| panic!("{}: not a small scene", named.name));
            if named.name == "both" {
                assert!(reduced * 100 < whole, "{reduced} states of {whole}");
            }
        }
        let elsewhere = [
            Mutation::None,
            Mutation::KernelTablesOnly,
            Mutation::NotGlobal,
        ];
        let mutations = plain().chain(elsewhere);
        for mutation in mutations {
            let what = format!("{mutation:?} in {}", named.name);
            compare(&textbook(mutation), &named.scene, limit, &what)
                .unwrap_or_else(|| panic!("{}: not a small scene", named.name));
        }
    }
}
