//! Threads look at the same states as one does.

use super::{plain, scoreboard, textbook};
use crate::parallel::{Ended, search};
use crate::search::with_machine;
use crate::{Code, Scene, scenes, verify};

/// How many states `threads` threads find, by a machine that knows nothing at first; `None` if a rule is broken.
fn by_threads(subject: &dyn Code, scene: &Scene, limit: usize, threads: usize) -> Option<usize> {
    with_machine(subject, scene, |machine, _, memory| {
        let start = machine.start(memory).ok()?;
        match search(machine, &start, limit, threads) {
            Ended::Holds { states, .. } => Some(states),
            Ended::TooMany { states, .. } => {
                assert_eq!(states, limit);
                Some(limit)
            }
            Ended::Broken => None,
        }
    })
}

#[test]
fn threads_that_miss_a_state_or_count_one_twice() {
    for name in ["one", "both", "moved", "back", "two-of-three"] {
        let scene = scenes::find(name).expect("a scene").scene;
        let one = verify(&scoreboard, &scene, 1_000_000);
        assert!(one.complete, "{name}");
        for threads in [1, 2, 5] {
            let found = by_threads(&scoreboard, &scene, 1_000_000, threads);
            assert_eq!(found, Some(one.states), "{name}, {threads} threads");
        }
    }
}

#[test]
fn threads_that_miss_what_is_broken() {
    for name in ["again", "both", "moved"] {
        let scene = scenes::find(name).expect("a scene").scene;
        for mutation in plain() {
            let subject = textbook(mutation);
            let one = verify(&subject, &scene, 1_000_000).found;
            let found = by_threads(&subject, &scene, 1_000_000, 2);
            assert_eq!(found.is_none(), one.is_some(), "{mutation:?} in {name}");
        }
    }
}

#[test]
fn threads_that_go_on_beyond_the_limit() {
    let scene = scenes::find("crowd").expect("a scene").scene;
    assert_eq!(by_threads(&scoreboard, &scene, 50_000, 3), Some(50_000));
}
