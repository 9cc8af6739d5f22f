//! The machine's own tests, on every kind of machine: they check from inside what no transcript
//! shows, and that each claim of the protocol holds where it can be seen.

mod common;

use common::{KIT, succeed};
use grader::machine::Machine;
use grader::options::{Apic, Board};

/// Runs the self-tests; at least `least` of them must have run and passed.
#[track_caller]
fn selftest(machine: &Machine, least: u64) {
    let outcome = succeed(machine, "selftest --json\n");
    let answer = &outcome.json()[0];
    let count = |key: &str| answer[key].as_u64().expect("a count");
    assert_eq!(count("failed"), 0, "{}", outcome.transcript);
    assert!(count("passed") >= least, "{}", outcome.transcript);
}

#[test]
fn a_lone_cpu_that_fails_its_own_tests() {
    selftest(&Machine::new(KIT).cpus(1), 12);
}

#[test]
fn two_cpus_that_fail_their_own_tests() {
    selftest(&Machine::new(KIT).cpus(2), 24);
}

#[test]
fn four_cpus_that_fail_their_own_tests() {
    for apic in [Apic::Xapic, Apic::X2apic] {
        selftest(&Machine::new(KIT).apic(apic), 26);
    }
}

#[test]
fn counted_instructions_that_change_what_holds() {
    selftest(&Machine::new(KIT).deterministic(), 26);
}

#[test]
fn a_second_machine_that_changes_what_holds() {
    selftest(&Machine::new(KIT).board(Board::Bochs), 28);
}

#[test]
fn real_threads_that_change_what_holds() {
    selftest(&Machine::new(KIT).cpus(2).threaded(), 24);
}

#[test]
fn the_old_protocol_that_fails_what_the_new_one_passes() {
    let outcome = succeed(
        &Machine::new(KIT).proto("global-lock"),
        "selftest stale\nselftest rights\nselftest ring3-fresh\nselftest ring3-stale\n",
    );
    assert_eq!(
        outcome.transcript.matches("passed   1").count(),
        4,
        "{}",
        outcome.transcript
    );
}

#[test]
fn a_tour_that_does_not_show_the_stale_read() {
    let outcome = succeed(&Machine::new(KIT).deterministic(), "tour all\n");
    assert!(
        outcome.transcript.contains("STALE"),
        "{}",
        outcome.transcript
    );
}

#[test]
fn a_hostile_ring_3_program_that_harms_the_kernel() {
    let script = "!run fault\n!run privileged\n!run overflow\nrun wild on all\nrun hello on all\nstorm rounds=20\n";
    let outcome = succeed(&Machine::new(KIT), script);
    assert_eq!(
        outcome.transcript.matches("hello from ring 3").count(),
        4,
        "{}",
        outcome.transcript
    );
}

#[test]
fn a_command_that_breaks_at_its_edges() {
    succeed(&Machine::new(KIT), include_str!("edges.tlb"));
}

#[test]
fn memory_used_up_leaving_a_shell_that_can_do_nothing() {
    let script = "!map 0x400000 65536\nmem\n!storm rounds=5\n!run hello\n!remap 0x400000\n\
        unmap 0x400000 1000\nrun hello on all\nstorm rounds=20 pages=16\n";
    succeed(&Machine::new(KIT), script);
}
