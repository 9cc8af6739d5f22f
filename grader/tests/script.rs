//! The script language in the booted machine: variables, loops, expectations.

mod common;

use common::{KIT, succeed};
use grader::machine::Machine;
use grader::status::Status;

fn machine() -> Machine {
    Machine::new(KIT).deterministic()
}

/// A loop over CPUs, a variable taken from an answer, and an expectation in each turn.
const STALE: &str = "\
let page = 0x400000
map $page
read $page on others
remap $page noshoot
let new = last.first_tag
for cpu in others {
  read $page on $cpu
  expect last.verdict == STALE and last.value < $new
}
repeat 2 { shoot page $page }
expect last.generation == 2 and last.targets == 1-3
read $page on others
expect all last.verdict == fresh and all last.value == $new
expect no violation
expect no hang
";

#[test]
fn an_expectation_that_is_met_failing_a_run() {
    let outcome = succeed(&machine(), STALE);
    for line in [
        "new = 2",
        "tlb> read 0x400000 on 3",
        "tlb> shoot page 0x400000",
        "met",
    ] {
        assert!(
            outcome.transcript.lines().any(|shown| shown == line),
            "{line}\n{}",
            outcome.transcript
        );
    }
}

#[test]
fn an_expectation_that_is_not_met_passing() {
    let script = STALE.replace("all last.verdict == fresh", "all last.verdict == STALE");
    let outcome = machine().script(&script).unwrap();
    assert_eq!(
        outcome.status,
        Status::CommandFailed,
        "{}",
        outcome.transcript
    );
    let told = "error: unmet: last.verdict is fresh on cpu 1, fresh on cpu 2, fresh on cpu 3\n  \
        expected all last.verdict == STALE and all last.value == $new\n\
        script: stopped at line 13: ";
    assert!(outcome.transcript.contains(told), "{}", outcome.transcript);
    assert!(
        outcome.complaint.contains("an expectation was not met"),
        "{}",
        outcome.complaint
    );
}

#[test]
fn a_violation_that_nobody_saw_counting_as_seen() {
    for (wanted, said) in [
        ("violation I5", "unmet: no violation was seen"),
        ("hang culprit 1", "unmet: no hang was seen"),
    ] {
        let outcome = machine()
            .script(&format!("map 0x400000\nexpect {wanted}\n"))
            .unwrap();
        assert_eq!(outcome.status, Status::CommandFailed);
        assert!(outcome.transcript.contains(said), "{}", outcome.transcript);
    }
}

#[test]
fn a_mistake_on_the_last_line_found_only_after_the_first_has_run() {
    let outcome = machine().script("echo one\nexpect $nobody == 1\n").unwrap();
    assert_eq!(outcome.status, Status::CommandFailed);
    assert!(
        outcome.transcript.contains("error: line 2: ")
            && outcome
                .transcript
                .contains("script: nothing of it was run\n")
            && !outcome.transcript.contains("tlb> echo"),
        "{}",
        outcome.transcript
    );
}

#[test]
fn an_example_in_help_that_does_not_run() {
    let answers = succeed(&machine(), "help scripts --json\n").json();
    let example = answers[0]["example"].as_str().expect("an example");
    succeed(&machine(), example);
}

#[test]
fn a_runaway_loop_that_never_ends() {
    let outcome = machine()
        .script("repeat 18446744073709551615 { }\n")
        .unwrap();
    assert_eq!(outcome.status, Status::CommandFailed);
    assert!(
        outcome.transcript.contains("this looks endless"),
        "{}",
        outcome.transcript
    );
}
