//! Every protocol of the table, in the machine.

mod common;

use std::time::Duration;

use common::{KIT, succeed};
use grader::machine::Machine;
use grader::options::Apic;

const PROTOCOLS: [&str; 4] = ["scoreboard", "global-lock", "queue", "scoreboard-resend"];

fn machine() -> Machine {
    Machine::new(KIT).timeout(Duration::from_secs(300))
}

/// The two that `storm.rs` does not storm with.
const NEW: [&str; 2] = ["queue", "scoreboard-resend"];

#[test]
fn a_shootdown_of_a_new_protocol_that_is_lost_or_late() {
    let script = "storm rounds=800\nstorm rounds=100 pages=16\nstorm rounds=100 initiators=0-1\n";
    for protocol in NEW {
        for apic in [Apic::Xapic, Apic::X2apic] {
            succeed(&machine().proto(protocol).apic(apic), script);
        }
        let machine = machine().proto(protocol);
        succeed(&machine.clone().deterministic().seed(5), script);
        succeed(&machine.clone().cpus(2).threaded(), "storm rounds=100\n");
        succeed(&machine.generation(u32::MAX - 100), "storm rounds=400\n");
    }
}

#[test]
fn a_self_test_that_a_new_protocol_fails() {
    for protocol in NEW {
        let machine = machine().proto(protocol).deterministic();
        succeed(&machine, "selftest\n");
    }
}

#[test]
fn a_protocol_that_is_missing_from_a_list() {
    let script = "proto --json\nbench at-once --json\nbench protocols --json\n";
    let answers = succeed(&machine().deterministic(), script).json();
    for (answer, table) in answers.iter().zip(["protocols", "at_once", "protocols"]) {
        let rows = answer[table].as_array().expect(table);
        let names: Vec<_> = rows.iter().map(|row| row["protocol"].as_str()).collect();
        assert_eq!(names, PROTOCOLS.map(Some), "{answer}");
    }
}

#[test]
fn a_change_of_protocols_that_loses_a_shootdown() {
    let mut script = String::from("map 0x400000\n");
    for protocol in PROTOCOLS.iter().chain(PROTOCOLS.iter().rev()) {
        script += &format!(
            "proto {protocol}\nread 0x400000 on others\nremap 0x400000 noshoot\n\
             shoot page 0x400000\nread 0x400000 on others\nexpect all last.verdict == fresh\n\
             storm rounds=20\n"
        );
    }
    succeed(&machine().deterministic(), &script);
}

#[test]
fn a_lost_interrupt_that_the_resending_scoreboard_does_not_cure() {
    // Nobody explains anything: the wait is never too long.
    let script = "map 0x400000\nread 0x400000 on others\nfault send drop cpu 0 peer 2 1*\n\
        remap 0x400000\nread 0x400000 on others\nexpect all last.verdict == fresh\nstats\n";
    let machine = machine().deterministic().word("patience=10000");
    let outcome = succeed(&machine.clone().proto("scoreboard-resend"), script);
    assert!(!outcome.transcript.contains("watchdog: "));
    let resent = outcome
        .transcript
        .lines()
        .find(|line| line.starts_with("resent"))
        .expect("a count of what was sent again");
    assert_eq!(resent.split_whitespace().nth(1), Some("1"), "{resent}");
}

#[test]
fn an_interrupt_for_each_request_where_one_is_enough() {
    // Three initiators find CPU 3 busy: the first to come sends the only interrupt.
    let script = "storm rounds=300 --json\n";
    let answers = succeed(&machine().proto("queue").deterministic(), script).json();
    let sent = answers[0]["ipis_sent"].as_u64().unwrap();
    assert!(sent > 0 && sent < 300 * 4 * 3, "{}", answers[0]);
}
