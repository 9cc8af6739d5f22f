//! Storms: every CPU initiates at once, and what the kernel counts is held against QEMU's own log.

mod common;

use std::time::Duration;

use common::KIT;
use grader::machine::{Machine, Outcome};
use grader::options::{Apic, Board};
use grader::status::Status;
use serde_json::Value;

const PROTOCOLS: [&str; 2] = ["scoreboard", "global-lock"];
const MODES: [Apic; 2] = [Apic::Xapic, Apic::X2apic];
const CPUS: u64 = 4;
/// The vector of all shootdown IPIs.
const SHOOTDOWN: u8 = 244;

/// Every protocol in every APIC mode.
fn machines() -> impl Iterator<Item = (String, Machine)> {
    let machine = || Machine::new(KIT).timeout(Duration::from_secs(300));
    PROTOCOLS.into_iter().flat_map(move |protocol| {
        MODES.map(|apic| {
            (
                format!("{protocol}, {apic}"),
                machine().proto(protocol).apic(apic),
            )
        })
    })
}

#[track_caller]
fn run(name: &str, machine: &Machine, script: &str) -> Outcome {
    let outcome = machine.script(script).unwrap();
    assert_eq!(
        outcome.status,
        Status::Success,
        "{name}: {}\n{}",
        outcome.complaint,
        outcome.transcript
    );
    outcome
}

/// Storms, and returns the number of shootdowns after holding the answer against itself.
#[track_caller]
fn storm(name: &str, machine: &Machine, rounds: u64) -> u64 {
    let answers = run(name, machine, &format!("storm rounds={rounds} --json\n")).json();
    let [answer] = &answers[..] else {
        panic!("{name}: one answer was expected: {answers:?}")
    };
    assert_eq!(answer["ok"], true, "{name}: {answer}");
    assert_eq!(answer["stale_reads"], 0, "{name}: {answer}");
    assert!(
        answer["reads"].as_u64().unwrap() > 0,
        "{name}: nobody looked: {answer}"
    );
    assert_eq!(answer["shootdowns"], rounds * CPUS, "{name}: {answer}");
    let counts = answer["counts"].as_array().unwrap();
    assert!(
        !counts.is_empty() && counts.iter().all(|count| count["verdict"] == "agrees"),
        "{name}: {answer}"
    );
    rounds * CPUS
}

#[test]
fn a_shootdown_in_a_hundred_thousand_that_is_lost_or_late() {
    let mut shootdowns = 0;
    for (name, machine) in machines() {
        shootdowns += storm(&name, &machine, 3200);
        shootdowns += storm(
            &format!("{name}, deterministic"),
            &machine.deterministic().seed(3),
            3200,
        );
    }
    assert!(shootdowns >= 100_000, "only {shootdowns}");
}

#[test]
fn a_shootdown_lost_between_racing_threads() {
    // Few: vCPUs that outnumber the host's cores wait for each other's time slices. On a busy host one may be kept
    // waiting for longer than the kernel's own patience, which is no loss.
    for (name, machine) in machines() {
        let machine = machine.threaded().word("patience=200000");
        storm(&format!("{name}, threaded"), &machine, 100);
    }
}

#[test]
fn a_wait_that_ends_early_where_the_generation_wraps() {
    for (name, machine) in machines() {
        storm(&name, &machine.generation(u32::MAX - 100), 400);
    }
}

#[test]
fn a_shootdown_that_is_lost_or_late_on_the_second_machine() {
    for (name, machine) in machines() {
        let machine = machine.board(Board::Bochs).seed(3);
        // Across the wrap as well: each CPU shoots four times as often as generations are left.
        let machine = machine.generation(u32::MAX - 100);
        storm(&format!("{name}, Bochs"), &machine, 400);
    }
}

#[test]
fn an_ipi_that_qemu_delivered_and_the_kernel_did_not_count() {
    for (name, machine) in machines() {
        let outcome = run(
            &name,
            &machine.int_log(),
            "storm rounds=300\nstats --json\n",
        );
        let answer = outcome.json().pop().unwrap();
        let rows = answer["stats"].as_array().unwrap();
        let received = rows
            .iter()
            .find(|row| row["count"] == "ipis-received")
            .unwrap();
        let counted: u64 = (0..CPUS)
            .filter_map(|cpu| received[format!("cpu{cpu}")].as_u64())
            .sum();
        assert!(counted > 0, "{name}: {answer}");
        assert_eq!(outcome.delivered.unwrap().of(SHOOTDOWN), counted, "{name}");
    }
}

#[test]
fn two_storms_of_one_seed_that_differ() {
    for (name, machine) in machines() {
        let script = "storm rounds=200\nstats\npercpu\n";
        let machine = machine.deterministic().seed(11);
        let (first, second) = (run(&name, &machine, script), run(&name, &machine, script));
        assert_eq!(first.transcript, second.transcript, "{name}");
    }
}

#[test]
fn a_stale_read_that_is_not_shown_without_the_shootdown() {
    let script = "map 0x400000\nread 0x400000 on others\nremap 0x400000 noshoot\nread 0x400000 on others --json\n\
                  shoot page 0x400000\nread 0x400000 on others --json\n";
    for (name, machine) in machines() {
        let answers = run(&name, &machine, script).json();
        let says = |answer: &Value, verdict: &str| {
            let reads = answer["reads"].as_array().unwrap();
            reads.len() as u64 == CPUS - 1 && reads.iter().all(|read| read["verdict"] == verdict)
        };
        assert!(says(&answers[0], "STALE"), "{name}: {}", answers[0]);
        assert!(says(&answers[1], "fresh"), "{name}: {}", answers[1]);
    }
}
