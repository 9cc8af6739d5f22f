//! Schedules as scripts of the kernel's shell: what must be in them, and what none can bring about.

use super::{global_lock, scoreboard, textbook};
use crate::script::{About, script};
use crate::textbook::Mutation;
use crate::{Code, report, retell, scenes, shortest};

/// The script for the shortest way in which `subject` breaks a rule in the scene of that name.
fn scripted(subject: &dyn Code, scene: &str) -> Result<String, String> {
    let scene = scenes::find(scene).unwrap();
    let found = shortest(subject, &scene.scene, 2_000_000).found.unwrap();
    let story = retell(subject, &scene.scene, &found.steps).unwrap();
    let violation = story.violation.as_ref().unwrap();
    script(&About {
        scene: &scene,
        story: &story,
        violation,
        invariant: report::verdict(&story, violation).invariant,
        machine: "--proto student",
    })
}

fn mutated(mutation: Mutation, scene: &str) -> Result<String, String> {
    scripted(&textbook(mutation), scene)
}

/// The commands, without remarks and blank lines.
fn commands(script: &str) -> Vec<&str> {
    let lines = script.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// Whether `lines` are in `script`, in that order.
#[track_caller]
fn in_order(script: &str, lines: &[&str]) {
    let mut left = commands(script).into_iter();
    for line in lines {
        assert!(left.any(|command| command == *line), "{line}: {script}");
    }
}

#[test]
fn an_interrupt_that_is_not_lost_where_the_schedule_loses_it() {
    let script = scripted(&scoreboard, "lost").unwrap();
    in_order(
        &script,
        &[
            "fault send hold",
            "break pte-store cpu 1 1*",
            "remap 0x400000 1 from 1",
            "for point in pin publish generation zero send local-invalidate wait {",
            "deliver 2 lost",
            "continue",
            "expect hang on 1",
        ],
    );
}

#[test]
fn an_acknowledgement_that_is_not_made_before_the_request_is_read() {
    let script = mutated(Mutation::AcknowledgeBeforeCopy, "again").unwrap();
    in_order(
        &script,
        &[
            "deliver 2",
            "break acknowledge stored cpu 2 1*",
            "continue 2",
            "remap 0x401000 1 from 1",
            "expect last.point == copy",
            "read 0x400000 on 2",
            "expect last.verdict != fresh",
        ],
    );
    // Nobody comes between any other store and what follows it.
    let behind = commands(&script)
        .into_iter()
        .filter(|line| line.contains(" stored "));
    assert!(behind.count() <= 2, "{script}");
}

#[test]
fn an_interrupt_that_arrives_before_the_one_it_is_to_become_one_with() {
    let script = mutated(Mutation::NoDrain, "two-of-three").unwrap();
    let lines = commands(&script);
    let delivered = lines.iter().position(|line| *line == "deliver 3").unwrap();
    let sent = |from: &str| lines.iter().position(|line| line.ends_with(from)).unwrap();
    assert!(sent("from 1").max(sent("from 2")) < delivered, "{script}");
    assert_eq!(lines.iter().filter(|line| **line == "deliver 3").count(), 1);
}

#[test]
fn a_script_for_what_the_emulator_does_not_do() {
    for (mutation, scene, why) in [
        (
            Mutation::NoReleaseFence,
            "again-weak",
            "keeps no stores back",
        ),
        (
            Mutation::NoCriticalSection,
            "moved",
            "the scheduler decides",
        ),
        (Mutation::NotPinned, "moved", "the scheduler decides"),
    ] {
        let told = mutated(mutation, scene).expect_err(scene);
        assert!(told.contains(why), "{mutation:?}: {told}");
        assert!(told.starts_with("CPU "), "{mutation:?}: {told}");
    }
    let told = scripted(&global_lock, "lost").map(|script| commands(&script).len());
    assert!(told.is_ok(), "{told:?}");
}
