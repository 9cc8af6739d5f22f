//! What is the kernel's own: its pages, whose translations are global, and NMIs.

use super::{assert_holds, global_lock, queue, scoreboard, textbook};
use crate::report::verdict;
use crate::textbook::Mutation;
use crate::{Code, Violation, retell, scenes, shortest};

/// What is found in a scene by the shortest way, and the invariant that is blamed.
fn blamed(subject: &dyn Code, name: &str) -> Option<(Violation, u8)> {
    let scene = scenes::find(name).expect("a scene").scene;
    let found = shortest(subject, &scene, 1_000_000).found?;
    let story = retell(subject, &scene, &found.steps).expect("its own steps");
    let invariant = verdict(&story, &found.violation).invariant;
    Some((found.violation, invariant))
}

#[test]
fn a_right_protocol_that_breaks_over_the_kernel_s_pages_or_an_nmi() {
    for named in scenes::kernel_all() {
        for subject in [&scoreboard as &dyn Code, &global_lock] {
            assert_holds(named.name, subject, &named.scene);
        }
        assert_holds(named.name, &textbook(Mutation::None), &named.scene);
    }
}

#[test]
fn a_flush_that_leaves_the_kernel_s_global_translations() {
    for name in ["kernel", "kernel-pcid", "kernel-invpcid"] {
        let (violation, invariant) =
            blamed(&textbook(Mutation::NotGlobal), name).expect("a global translation");
        assert!(matches!(violation, Violation::Stale { .. }), "{name}");
        assert_eq!(invariant, 16, "{name}");
    }
}

#[test]
fn an_nmi_between_acknowledgement_and_invalidation_that_nobody_sees() {
    let (violation, invariant) =
        blamed(&scoreboard, "nmi-user").expect("what the NMI's handler reads");
    assert!(
        matches!(violation, Violation::ReadByNmi { .. }),
        "{violation:?}"
    );
    assert_eq!(invariant, 5);
    // These acknowledge when they have invalidated.
    for subject in [&queue as &dyn Code, &global_lock] {
        assert_eq!(blamed(subject, "nmi-user"), None);
    }
}

#[test]
fn an_nmi_that_waits_until_interrupts_are_on() {
    let scene = scenes::find("nmi-user").expect("a scene").scene;
    let found = shortest(&scoreboard, &scene, 1_000_000).found.expect("it");
    let story = retell(&scoreboard, &scene, &found.steps).expect("its own steps");
    let last = story.moments.last().expect("something happened");
    assert!(last.in_handler, "{last:?}");
}
