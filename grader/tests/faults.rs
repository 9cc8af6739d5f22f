//! Faults in the booted machine: each breaks what it says, and the machine is whole without it.

mod common;

use std::time::Duration;

use common::KIT;
use grader::invariants::{self, Scenario};
use grader::machine::{Machine, Outcome};
use grader::machines;
use grader::status::Status;

fn machine(words: &str) -> Machine {
    machines::machine(KIT, words)
        .unwrap()
        .timeout(Duration::from_secs(300))
}

fn run(options: &str, script: &str) -> Outcome {
    machine(options).script(script).unwrap()
}

#[track_caller]
fn succeed(name: &str, options: &str, script: &str) -> Outcome {
    let outcome = run(options, script);
    assert_eq!(
        outcome.status,
        Status::Success,
        "{name}: {}\n{script}\n{}",
        outcome.complaint,
        outcome.transcript
    );
    outcome
}

fn scenarios() -> Vec<Scenario> {
    let found = invariants::scenarios().unwrap();
    assert!(found.len() >= 15, "only {} scenarios", found.len());
    found
}

#[test]
fn a_broken_invariant_that_shows_no_symptom() {
    for scenario in scenarios() {
        succeed(&scenario.name, &scenario.words(), &scenario.script);
    }
}

#[test]
fn a_symptom_without_the_fault() {
    for scenario in scenarios() {
        let name = format!("{}, without its fault", scenario.name);
        succeed(&name, &scenario.words(), &scenario.mended());
    }
}

/// A shootdown of one page on all, by each of two initiators, that every fault may have a go at.
const SHOTS: &str =
    "map 0x400000\nread 0x400000 on all\nshoot page 0x400000\nread 0x400000 on others\n";

/// The points, and at each a delay that does no harm.
fn delays() -> Vec<(String, String)> {
    let points = [
        "pin",
        "publish",
        "generation",
        "zero",
        "send",
        "local-invalidate",
        "wait",
        "done",
        "notice",
        "copy",
        "acknowledge",
        "invalidate",
        "return",
        "activate",
        "pte-store",
    ];
    let script = |point: &str| {
        format!(
            "fault {point} delay 20us\n{SHOTS}remap 0x400000\nfault list\nexpect last.fired > 0\nfault clear\n\
             storm rounds=20\nexpect no violation\nexpect no hang\n"
        )
    };
    points.map(|point| (point.to_owned(), script(point))).into()
}

#[test]
fn a_delay_that_breaks_something_or_does_not_fire() {
    for (point, script) in delays() {
        succeed(&point, "", &script);
    }
}

/// What sounds worse than it is, under each protocol.
fn harmless() -> Vec<(String, String)> {
    let mut scripts = Vec::new();
    // Where a target acknowledges after it has invalidated anyway, nothing can come too late.
    let early = ["scoreboard", "scoreboard-resend"];
    let all = ["scoreboard", "global-lock", "queue", "scoreboard-resend"];
    for (fault, protocols) in [
        ("acknowledge late", &early[..]),
        ("send reread", &all),
        ("activate interrupts-on 50us", &all),
        ("send duplicate", &all),
    ] {
        // Of interrupts sent twice more are counted than were asked for, as `storm` finds out.
        let miscounted = if fault == "send duplicate" { "! " } else { "" };
        for protocol in protocols {
            let script = format!(
                "proto {protocol}\nfault {fault}\n{miscounted}storm rounds=100 pages=2\n\
                 expect no violation\nexpect no hang\nfault list\nexpect last.fired > 0\n"
            );
            scripts.push((format!("{protocol}, {fault}"), script));
        }
    }
    scripts
}

#[test]
fn a_harmless_fault_that_harms() {
    for (name, script) in harmless() {
        succeed(&name, "", &script);
    }
}

fn counted() -> String {
    let shots = "repeat 10 { shoot page 0x400000 }\n";
    format!(
        "map 0x400000\nread 0x400000 on all\n\
         fault copy delay 1us cpu 1 3*\nfault copy delay 1us cpu 2 after 4\n\
         fault copy delay 1us 50%\nfault copy delay 1us peer 3\n\
         fault send delay 1us peer 1\n{shots}fault list\n\
         expect last[number=1].fired == 3 and last[number=1].left == 0\n\
         expect last[number=2].fired == 6\n\
         expect last[number=3].fired > 0 and last[number=3].fired < 30\n\
         expect last[number=4].fired == 0 and last[number=5].fired == 10\n"
    )
}

#[test]
fn a_count_a_share_or_a_cpu_set_that_is_not_kept_to() {
    succeed("counts", "", &counted());
}

const CLEARED: &str = "map 0x400000\nread 0x400000 on others\n\
         fault send drop\nfault invalidate late 10s cpu 1\nfault clear 1\n\
         remap 0x400000\nfault clear\nread 0x400000 on others\nexpect all last.verdict == fresh\n\
         fault list\nstorm rounds=20\nexpect no violation\nexpect no hang\n";

#[test]
fn a_fault_that_goes_on_after_it_was_cleared() {
    succeed("cleared", "", CLEARED);
}

#[test]
fn what_is_saved_arming_something_else() {
    let lines = [
        "fault send drop cpu 0 peer 2 1*",
        "fault publish late 1500ns cpu 1-3 20% after 7",
        "fault zero wrong-column to 3 peer 1",
    ];
    let script = format!("{}\nfault save\n", lines.join("\n"));
    let first = succeed("save", "", &script).script_transcript();
    let saved = first.split("tlb> fault save\n").nth(1).unwrap();
    let saved: Vec<&str> = saved
        .lines()
        .filter(|line| line.starts_with("fault "))
        .collect();
    assert_eq!(saved, lines);
    succeed("saved", "", &saved.join("\n"));
}

fn dropped() -> [String; 3] {
    ["scoreboard", "global-lock", "queue"].map(|protocol| {
        format!(
            "proto {protocol}\nmap 0x400000\nread 0x400000 on others\n\
             fault send drop cpu 0 peer 2 1*\nshoot page 0x400000\nexpect hang culprit 2\nexpect last.error has \"2 have\"\n\
             shoot page 0x400000\nexpect no hang\n"
        )
    })
}

/// What bounds waits that are to hang.
const SOON: &str = "--append patience=300";

#[test]
fn a_dropped_ipi_that_another_protocol_does_not_notice() {
    for script in dropped() {
        succeed("drop", SOON, &script);
    }
}

const TORN: &str = "! fault send torn to 1\n";

#[test]
fn a_torn_send_where_there_is_one_write() {
    let outcome = succeed("torn", "", TORN);
    assert!(
        outcome.transcript.contains("x2APIC"),
        "{}",
        outcome.transcript
    );
}

const RANDOM: &str = "fault notice delay 5us 30%\nfault invalidate skip 20% cpu 1-2\nstorm rounds=50\n\
                      expect violation\nfault list --json\n";

#[test]
fn random_faults_that_differ_between_two_runs_of_one_seed() {
    for options in ["", BOCHS] {
        let (first, second) = (run(options, RANDOM), run(options, RANDOM));
        assert_eq!(first.transcript, second.transcript);
    }
}

const BOCHS: &str = "--machine bochs";

/// Scripts in one boot, each with no page mapped and no fault armed, under the protocol that a boot begins with.
fn in_one(scripts: impl IntoIterator<Item = String>) -> String {
    let between = "fault clear\nunmap 0x400000\nproto scoreboard\n";
    let scripts = scripts.into_iter().map(|script| {
        let mapped = script.contains("map 0x400000");
        script + if mapped { between } else { &between[..12] }
    });
    scripts.collect()
}

#[test]
fn a_fault_that_the_second_machine_makes_more_or_less_of() {
    let few = |script: String| script.replace("rounds=100", "rounds=20");
    let scripts = delays().into_iter().chain(harmless());
    let scripts = scripts.map(|(_, script)| few(script));
    let rest = [counted(), CLEARED.to_owned(), TORN.to_owned()];
    succeed("Bochs", BOCHS, &in_one(scripts.chain(rest)));
    let soon = format!("{BOCHS} {SOON}");
    succeed("Bochs, drop", &soon, &in_one(dropped()));
}
