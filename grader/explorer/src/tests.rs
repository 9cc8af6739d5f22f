//! The kit's own protocols hold in every interleaving; broken ones do not.

use super::*;
use crate::textbook::{Mutation, Textbook};

mod again;
mod comes;
mod foreign;
mod kernel;
mod liar;
mod membership;
mod parallel;
mod random;
mod scripts;
mod several;

use shootdown::{GlobalLock, Protocol, Queue, Scoreboard, Settings};

fn scene(cpus: usize, initiators: usize) -> Scene {
    let change = |page: usize| Call::Change {
        first: page as u8,
        pages: 1,
        version: 1,
    };
    Scene {
        cpus,
        threads: (0..initiators)
            .map(|cpu| Script {
                cpu: cpu as u8,
                calls: vec![change(cpu)],
            })
            .collect(),
        pages: initiators as u8,
        memory: Memory::Tso,
        send_fences: true,
        faults: Faults::default(),
        scheduler: false,
        switching: None,
        apic: None,
        global: false,
        nmi: None,
    }
}

fn scoreboard(machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>> {
    Box::new(Scoreboard::new(machine, cpus, Settings::default()))
}

fn global_lock(machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>> {
    Box::new(GlobalLock::new(machine, cpus, Settings::default()))
}

fn queue(machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>> {
    Box::new(Queue::new(machine, cpus, 2, Settings::default()))
}

/// Looks at every state, and says that there is nothing to find.
fn assert_holds(name: &str, subject: &dyn Code, scene: &Scene) {
    let outcome = verify(subject, scene, 5_000_000);
    let (cpus, memory) = (scene.cpus, scene.memory);
    assert!(
        outcome.found.is_none(),
        "{name}, {cpus} CPUs, {memory:?}: {:?}",
        outcome.found
    );
    assert!(
        outcome.complete,
        "{name}, {cpus} CPUs: not every state was looked at"
    );
}

#[test]
fn a_protocol_of_the_kit_that_breaks() {
    for memory in [Memory::Tso, Memory::Relaxed] {
        for (cpus, initiators) in [(2, 1), (2, 2), (3, 1), (3, 2)] {
            let scene = Scene {
                memory,
                ..scene(cpus, initiators)
            };
            assert_holds("scoreboard", &scoreboard, &scene);
            assert_holds("global-lock", &global_lock, &scene);
            // The queue's words are many: two initiators at 3 CPUs have more than 5 million states.
            if initiators == 1 {
                assert_holds("queue", &queue, &scene);
            }
        }
    }
}

#[test]
fn a_count_of_transfers_that_does_not_see_shared_lines() {
    struct Lined(Option<fn(usize, shootdown::CpuId, shootdown::CpuId) -> usize>);
    impl Subject for Lined {
        fn build(&self, machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>> {
            scoreboard(machine, cpus)
        }

        fn lines(&self) -> Option<fn(usize, shootdown::CpuId, shootdown::CpuId) -> usize> {
            self.0
        }
    }
    let crowd = scenes::find("crowd").expect("a scene").scene;
    let count = |lines| transfers(&Lined(lines), &crowd, 20, 7).expect("no rule is broken");
    let (apart, rows, together) = (
        count(None),
        count(Some(|_, target, _| target.index())),
        count(Some(|_, _, _| 0)),
    );
    assert!(apart > 0 && together > rows, "{apart} {rows} {together}");
    assert_eq!(
        rows,
        count(Some(|_, target, _| target.index())),
        "not repeatable"
    );
}

#[test]
fn a_send_without_its_fence() {
    let scene = Scene {
        send_fences: false,
        ..scene(2, 1)
    };
    let outcome = shortest(&scoreboard, &scene, 1_000_000);
    let found = outcome.found.expect("a hang");
    assert!(
        matches!(found.violation, Violation::Hang { .. }),
        "{found:?}"
    );
}

/// A way to go wrong, the scene that shows it, and what is seen there.
struct Wrong {
    mutation: Mutation,
    scene: Scene,
    seen: fn(&Violation) -> bool,
}

fn stale(violation: &Violation) -> bool {
    matches!(violation, Violation::Stale { .. })
}

fn hang(violation: &Violation) -> bool {
    matches!(violation, Violation::Hang { .. })
}

fn livelock(violation: &Violation) -> bool {
    matches!(violation, Violation::Livelock { .. })
}

/// One CPU changes two pages, one after the other.
fn twice(cpus: usize) -> Scene {
    let mut scene = scene(cpus, 1);
    scene.pages = 2;
    scene.threads[0].calls.push(Call::Change {
        first: 1,
        pages: 1,
        version: 1,
    });
    scene
}

fn wrongs() -> Vec<Wrong> {
    let relaxed = |scene| Scene {
        memory: Memory::Relaxed,
        ..scene
    };
    let scheduled = |mut scene: Scene, threads: Vec<Script>| {
        scene.scheduler = true;
        scene.pages = 2;
        scene.threads = threads;
        scene
    };
    let thread = |cpu, page| Script {
        cpu,
        calls: vec![Call::Change {
            first: page,
            pages: 1,
            version: 1,
        }],
    };
    let mut range = scene(2, 1);
    range.pages = 2;
    range.threads[0].calls = vec![Call::Change {
        first: 0,
        pages: 2,
        version: 1,
    }];
    let wrong = |mutation, scene, seen: fn(&Violation) -> bool| Wrong {
        mutation,
        scene,
        seen,
    };
    vec![
        // A target that reads the generation before acknowledges with 0, and finds the zero again.
        wrong(Mutation::ZeroBeforePublish, scene(3, 2), livelock),
        // The target acknowledges the generation before, which nobody waits for.
        wrong(Mutation::NoReleaseFence, relaxed(twice(2)), hang),
        wrong(Mutation::NoWait, scene(2, 1), stale),
        wrong(
            Mutation::NoCriticalSection,
            scheduled(scene(2, 1), vec![thread(0, 0), thread(0, 1)]),
            |seen| stale(seen) || hang(seen),
        ),
        wrong(Mutation::AcknowledgeBeforeCopy, twice(2), stale),
        wrong(Mutation::NoInvalidation, scene(2, 1), stale),
        wrong(Mutation::NoDrain, scene(3, 3), hang),
        wrong(Mutation::WaitsMasked, scene(2, 2), hang),
        wrong(Mutation::SendsToFewer, scene(2, 1), hang),
        wrong(Mutation::GenerationZero, scene(2, 1), stale),
        wrong(Mutation::Transposed, scene(2, 1), hang),
        wrong(Mutation::OffByOne, range, stale),
        wrong(
            Mutation::GathersTooLittle,
            scenes::find("several").expect("a scene").scene,
            |seen| seen.names() == Some(17),
        ),
        wrong(
            Mutation::NotPinned,
            scheduled(scene(3, 1), vec![thread(0, 0)]),
            |seen| stale(seen) || hang(seen),
        ),
        // Pinning is a step: the thread may be moved between asking and that.
        wrong(
            Mutation::PinnedTooLate,
            scheduled(scene(2, 1), vec![thread(0, 0)]),
            stale,
        ),
    ]
}

fn textbook(mutation: Mutation) -> impl Fn(&Host, usize) -> Box<dyn Protocol<Host>> {
    move |machine, cpus| Box::new(Textbook::new(machine, cpus, mutation))
}

#[test]
fn a_wrong_protocol_that_is_taken_for_right() {
    for wrong in wrongs() {
        let begun = std::time::Instant::now();
        let outcome = verify(&textbook(wrong.mutation), &wrong.scene, 5_000_000);
        eprintln!(
            "{:?}: {} states, {:?}, {:?}",
            wrong.mutation,
            outcome.states,
            begun.elapsed(),
            outcome
                .found
                .as_ref()
                .map(|found| (&found.violation, found.steps.len()))
        );
        let found = outcome
            .found
            .unwrap_or_else(|| panic!("{:?}", wrong.mutation));
        assert!(
            (wrong.seen)(&found.violation),
            "{:?}: {:?}",
            wrong.mutation,
            found.violation
        );
    }
}

#[test]
fn a_right_protocol_that_is_taken_for_wrong() {
    for wrong in wrongs() {
        // Some of the scenes are large; what matters is that nothing is found where the other was.
        let outcome = verify(&textbook(Mutation::None), &wrong.scene, 1_000_000);
        assert!(
            outcome.found.is_none(),
            "in the scene of {:?}: {:?}",
            wrong.mutation,
            outcome.found
        );
    }
}

/// Those that show without page-table isolation, and on pages that are not the kernel's.
fn plain() -> impl Iterator<Item = Mutation> {
    let all = Mutation::ALL.iter().copied();
    let elsewhere = [Mutation::KernelTablesOnly, Mutation::NotGlobal];
    all.filter(move |mutation| !elsewhere.contains(mutation))
}

#[test]
fn a_counterexample_that_blames_another_invariant_or_cannot_be_replayed() {
    for mutation in plain() {
        let invariant = mutation.invariant();
        let subject = textbook(mutation);
        let mut scenes = scenes::all().into_iter();
        let found = scenes.find_map(|named| {
            verify(&subject, &named.scene, 5_000_000).found?;
            let found = shortest(&subject, &named.scene, 2_000_000).found;
            Some((named, found.expect("what the other search found")))
        });
        let (named, found) = found.unwrap_or_else(|| panic!("{mutation:?} is not found"));
        let text = schedule::write("a remark", named.name, &found.steps);
        let (again, steps) = schedule::read(&text).unwrap();
        let story = retell(&subject, &again.scene, &steps).unwrap();
        assert_eq!(
            story.violation.as_ref(),
            Some(&found.violation),
            "{mutation:?}"
        );
        let verdict = report::verdict(&story, &found.violation);
        assert_eq!(
            verdict.invariant, invariant,
            "{mutation:?}: {:?}",
            verdict.words
        );
    }
}

/// x86 keeps stores in order: what only the language's orderings forbid shows where stores are as late as those allow.
#[test]
fn a_relaxed_publish_or_a_missing_fence_that_does_no_harm() {
    let named = |name| scenes::find(name).unwrap().scene;
    for mutation in [Mutation::NoReleaseFence, Mutation::RelaxedPublish] {
        assert_holds("again", &textbook(mutation), &named("again"));
        let found = verify(&textbook(mutation), &named("again-weak"), 1_000_000).found;
        assert!(found.is_some(), "{mutation:?}");
    }
    for right in ["again-weak", "both-weak"] {
        assert_holds(right, &textbook(Mutation::None), &named(right));
    }
}

#[test]
fn a_line_of_the_source_that_is_not_the_protocol_s() {
    let scene = scenes::find("one").unwrap().scene;
    let found = shortest(&textbook(Mutation::NoWait), &scene, 10_000).found;
    let steps = found.unwrap().steps;
    let story = retell(&textbook(Mutation::NoWait), &scene, &steps).unwrap();
    let sent = |moment: &&Moment| {
        matches!(
            moment.what,
            What::Asks {
                op: Op::Send(_),
                ..
            }
        )
    };
    let sent = story.moments.iter().find(sent).unwrap();
    assert!(
        sent.at.as_ref().unwrap().file().ends_with("textbook.rs"),
        "{:?}",
        sent.at
    );
}

#[test]
fn a_schedule_of_another_protocol_taken_for_this_one_s() {
    let scene = scenes::find("one").unwrap().scene;
    // Nothing is pending at the start.
    let steps = [Step::Interrupt(0)];
    let told = retell(&scoreboard, &scene, &steps);
    let number = 0;
    let step = steps[0];
    assert_eq!(told.err(), Some(Impossible { number, step }));
}

#[test]
fn a_schedule_with_a_mistake_that_is_not_said() {
    for (text, said) in [
        ("", "the schedule is empty"),
        ("do 1", "line 1: `do 1`: `scene NAME` was expected"),
        ("scene nowhere", "a scene was expected: one, "),
        (
            "scene one\n# so\njump 1",
            "line 3: `jump 1`: a step was expected: do, ",
        ),
        (
            "scene one\ndo",
            "a number below 256 was expected after `do`",
        ),
        ("scene one\ndo 256", "a number below 256"),
        (
            "scene one\ncommit 1",
            "two numbers below 256 were expected after `commit`",
        ),
        ("scene one\ndo 1 2", "a number below 256"),
    ] {
        let error = schedule::read(text).unwrap_err();
        assert!(error.contains(said), "{text:?}: {error}");
    }
}

fn resending(machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>> {
    let settings = Settings {
        resend: true,
        ..Settings::default()
    };
    Box::new(Scoreboard::new(machine, cpus, settings))
}

#[test]
fn a_protocol_that_helps_itself_and_breaks_when_something_goes_wrong() {
    for named in scenes::faulty_all() {
        assert_holds(named.name, &resending, &named.scene);
    }
}

#[test]
fn a_lost_interrupt_that_nobody_sends_again() {
    for name in ["lost", "lost-of-two", "lost-of-three"] {
        let scene = scenes::find(name).unwrap().scene;
        let found = shortest(&scoreboard, &scene, 1_000_000).found;
        let found = found.unwrap_or_else(|| panic!("{name}: a hang"));
        assert!(hang(&found.violation), "{name}: {found:?}");
        let story = retell(&scoreboard, &scene, &found.steps).unwrap();
        assert_eq!(report::verdict(&story, &found.violation).invariant, 2);
    }
    for name in ["repeated", "given-up"] {
        assert_holds(name, &scoreboard, &scenes::find(name).unwrap().scene);
    }
}

#[test]
fn a_sample_that_misses_what_is_everywhere_or_finds_what_is_nowhere() {
    let crowd = scenes::find("crowd").unwrap().scene;
    for mutation in [Mutation::NoWait, Mutation::NoDrain, Mutation::WaitsMasked] {
        let subject = textbook(mutation);
        let found = sample(&subject, &crowd, 200, 1).found;
        let found = found.unwrap_or_else(|| panic!("{mutation:?} is not found"));
        let story = retell(&subject, &crowd, &found.steps).unwrap();
        assert_eq!(story.violation, Some(found.violation), "{mutation:?}");
        let again = sample(&subject, &crowd, 200, 1).found.unwrap();
        assert_eq!(again.steps, found.steps, "equal seeds, equal schedules");
    }
    let outcome = sample(&scoreboard, &crowd, 200, 1);
    assert!(outcome.found.is_none(), "{:?}", outcome.found);
    assert!(!outcome.complete, "a sample proves nothing");
}
