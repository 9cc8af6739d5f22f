//! Violations and hangs that are expected, and those that are not.

use super::{passes, refused, run, stops_at};
use crate::fake::{FakeSystem, PLAIN};
use crate::script::run_script;
use alloc::format;
use alloc::vec::Vec;

/// The fake sees I5 violated twice on CPU 1, and the command fails.
const VIOLATES: &str = "storm rounds=13";
/// The fake sees CPU 0 wait for CPU 2 in vain, probably for want of I6, and the command fails.
const HANGS: &str = "storm rounds=14";

#[test]
fn a_violation_fails_its_command_and_is_counted_even_where_failure_is_expected() {
    let (outcome, ..) = run(b"storm rounds=13\ncpus\n");
    assert_eq!(outcome.stopped.map(|stopped| stopped.line), Some(1));
    let (outcome, lines, _) = run(b"! storm rounds=13\ncpus\n");
    assert_eq!(lines, ["storm rounds=13", "cpus"]);
    assert_eq!((outcome.violations, outcome.passed()), (2, false));
}

#[test]
fn a_violation_that_was_expected_passes_and_another_does_not() {
    let shown = passes(&format!("{VIOLATES}\nexpect violation I5 on 0-1\ncpus\n"));
    assert!(
        shown.contains("met: a violation of I5 on CPU 1: stale read at 0x400000, 2 times\n"),
        "{shown}"
    );
    passes(&format!("! {VIOLATES}\ncpus\nexpect violation\n"));
    let (outcome, ..) = run(format!("{VIOLATES}\nexpect violation\n! {VIOLATES}\n").as_bytes());
    assert_eq!((outcome.violations, outcome.passed()), (2, false));
    // What is consumed is not there a second time.
    stops_at(
        3,
        &format!("{VIOLATES}\nexpect violation\nexpect violation\n"),
    );
}

#[test]
fn the_system_is_told_what_was_expected_so_that_quit_knows() {
    let (mut system, mut sink) = (FakeSystem::new(), Vec::new());
    let text = format!("{VIOLATES}\nexpect violation\n");
    run_script(text.as_bytes(), &mut system, &mut sink, PLAIN);
    assert_eq!((system.violations, system.excused), (2, 2));
}

#[test]
fn what_was_seen_before_the_script_meets_nothing() {
    let (mut system, mut sink) = (FakeSystem::new(), Vec::new());
    // Noticed by nobody who would take note of it.
    let _ = crate::run_line(VIOLATES, &mut system, &mut sink, PLAIN);
    assert!(!system.observations.is_empty());
    let outcome = run_script(
        b"cpus\nexpect no violation\n",
        &mut system,
        &mut sink,
        PLAIN,
    );
    assert!(outcome.passed());
}

#[test]
fn an_expectation_that_differs_in_anything_is_unmet_and_says_what_was_seen() {
    for wanted in [
        "violation I6",
        "violation on 0,2-3",
        "hang",
        "violation I5 on others I5",
    ] {
        if wanted.ends_with("I5 on others I5") {
            refused(&format!("cpus\nexpect {wanted}\n"));
            continue;
        }
        let shown = stops_at(2, &format!("! {VIOLATES}\nexpect {wanted}\n"));
        assert!(
            shown.contains("unmet: seen was a violation of I5 on CPU 1: stale read"),
            "{shown}"
        );
        assert!(shown.contains(&format!("expected {wanted}\n")), "{shown}");
    }
    let shown = stops_at(2, "cpus\nexpect violation I5\n");
    assert!(shown.contains("unmet: no violation was seen\n"), "{shown}");
}

#[test]
fn no_violation_holds_until_there_is_one() {
    passes("expect no violation\ncpus\nexpect no violation I5\nexpect no hang\n");
    let shown = stops_at(
        3,
        &format!("cpus\n! {VIOLATES}\nexpect no violation I5 on 1\n"),
    );
    assert!(
        shown.contains("unmet: seen was a violation of I5"),
        "{shown}"
    );
    passes(&format!(
        "! {VIOLATES}\nexpect no violation I6\nexpect violation\n"
    ));
}

#[test]
fn a_hang_is_met_by_waiter_culprit_and_invariant() {
    for wanted in [
        "hang",
        "hang culprit 2",
        "hang on 0 culprit 2",
        "hang I6",
        "hang on all",
    ] {
        let shown = passes(&format!("{HANGS}\nexpect {wanted}\ncpus\n"));
        assert!(
            shown.contains("met: a hang of CPU 0 for acknowledgement of CPU 2"),
            "{shown}"
        );
    }
    for wanted in [
        "hang culprit 1",
        "hang culprit 1-2",
        "hang on 1",
        "hang I5",
        "violation",
    ] {
        let shown = stops_at(2, &format!("{HANGS}\nexpect {wanted}\ncpus\n"));
        assert!(
            shown.contains("unmet: seen was a hang of CPU 0"),
            "{wanted}\n{shown}"
        );
        assert!(
            shown.contains("the command failed: CPU 0 gave up\n"),
            "{wanted}\n{shown}"
        );
    }
    passes(&format!(
        "for cpu in 2 {{ {HANGS}; expect hang culprit $cpu }}"
    ));
}

#[test]
fn a_hang_of_an_earlier_command_is_not_the_last_ones() {
    let shown = stops_at(3, &format!("! {HANGS}\ncpus\nexpect hang\n"));
    assert!(shown.contains("unmet: no hang was seen"), "{shown}");
}

#[test]
fn only_the_very_next_statement_forgives_a_failure() {
    stops_at(1, &format!("{VIOLATES}\ncpus\nexpect violation\n"));
    stops_at(1, &format!("{VIOLATES}\nexpect no violation I6\n"));
    stops_at(1, &format!("{VIOLATES}\nexpect not last.ok\n"));
    stops_at(1, &format!("repeat 1 {{ {HANGS} }}\nexpect hang\n"));
}
