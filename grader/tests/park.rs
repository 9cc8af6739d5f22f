//! CPUs parked at points: every point of both sides, any CPU, a shell that stays usable.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{KIT, succeed};
use grader::machine::Machine;
use serde_json::Value;

const PROTOCOLS: [&str; 2] = ["scoreboard", "global-lock"];
/// What an initiator passes on its way, after the page-table store, and what a target does.
const INITIATORS: [&str; 7] = [
    "pin",
    "publish",
    "generation",
    "send",
    "local-invalidate",
    "wait",
    "done",
];
const TARGETS: [&str; 5] = ["notice", "copy", "acknowledge", "invalidate", "return"];

fn machine() -> Machine {
    Machine::new(KIT)
        .deterministic()
        .timeout(Duration::from_secs(300))
}

/// The answers to the lines of `script` that ask for JSON.
#[track_caller]
fn answers(machine: &Machine, script: &str) -> Vec<Value> {
    succeed(machine, script).json()
}

/// The lines of `transcript` that say where a CPU is parked.
fn told(transcript: &str) -> Vec<&str> {
    transcript
        .lines()
        .filter(|line| line.starts_with("CPU ") && line.contains(" parked at "))
        .collect()
}

/// Parks `cpu` at `point`, while CPU `from` shoots, and lets it go again; each must be seen.
fn park_once(point: &str, cpu: u32, from: u32) -> String {
    format!(
        "break {point} cpu {cpu} 1*\nremap 0x400000 from {from}\nbreak --json\ncpus\nscoreboard\n\
         backtrace {cpu}\nlapic {cpu}\ncontinue --json\nbreak clear\n"
    )
}

#[test]
fn a_point_at_which_a_cpu_is_not_parked_or_does_not_go_on() {
    for protocol in PROTOCOLS {
        let mut script = "map 0x400000\nread 0x400000 on all\n".to_owned();
        let mut expected = Vec::new();
        for (cpu, from) in [(0, 0), (2, 2)] {
            for point in INITIATORS.into_iter().chain(["pte-store"]) {
                script += &park_once(point, cpu, from);
                expected.push((point, cpu));
            }
        }
        for (cpu, from) in [(0, 1), (1, 0), (3, 2)] {
            for point in TARGETS {
                script += &park_once(point, cpu, from);
                expected.push((point, cpu));
            }
        }
        script += "read 0x400000 on all --json\n";
        let answers = answers(&machine().proto(protocol), &script);
        let (reads, answers) = answers.split_last().unwrap();
        for (&(point, cpu), pair) in expected.iter().zip(answers.chunks(2)) {
            let [seen, gone] = pair else {
                panic!("{pair:?}")
            };
            let parked = seen["parked"].as_array().unwrap();
            assert_eq!(parked.len(), 1, "{protocol}: {point} on CPU {cpu}: {seen}");
            assert_eq!(parked[0]["cpu"], cpu, "{protocol}: {point}: {seen}");
            assert_eq!(parked[0]["point"], point, "{protocol}: CPU {cpu}: {seen}");
            assert!(is_empty(&gone["parked"]), "{protocol}: {point}: {gone}");
        }
        let reads = reads["reads"].as_array().unwrap();
        assert!(
            reads.iter().all(|read| read["verdict"] == "fresh"),
            "{reads:?}"
        );
    }
}

/// Whether a set of CPUs is empty.
fn is_empty(set: &Value) -> bool {
    match set {
        Value::Array(cpus) => cpus.is_empty(),
        other => other.is_null(),
    }
}

#[test]
fn a_step_that_leaves_the_documented_order() {
    // CPU 1 alone is asked, so that each side's way is one line.
    let script = |cpu: u32| {
        format!(
            "map 0x400000\nread 0x400000 on 1\nbreak {} cpu {cpu} 1*\nremap 0x400000\n{}",
            if cpu == 0 { "pte-store" } else { "notice" },
            "step --json\n".repeat(if cpu == 0 { 8 } else { 4 })
        )
    };
    let way = |cpu| -> Vec<String> {
        answers(&machine().cpus(2), &script(cpu))
            .iter()
            .map(|answer| answer["point"].as_str().unwrap_or("-").to_owned())
            .collect()
    };
    let initiator = [
        "pin",
        "publish",
        "generation",
        "zero",
        "send",
        "local-invalidate",
        "wait",
        "done",
    ];
    assert_eq!(way(0), initiator);
    assert_eq!(way(1), ["copy", "acknowledge", "invalidate", "return"]);
}

#[test]
fn a_translation_that_is_gone_before_the_step_that_ends_it() {
    let script = "map 0x450000\nread 0x450000 on others\nbreak acknowledge cpu 2\nremap 0x450000\n\
                  scoreboard --json\nstep 2 --json\nscoreboard --json\nread 0x450000 on 2 --json\n\
                  step 2 --json\nread 0x450000 on 2 --json\ncontinue\n";
    let answers = answers(&machine(), script);
    let [asked, at, acknowledged, stale, after, fresh] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(asked["scoreboard"][2]["from_0"], 0, "{asked}");
    assert_eq!(at["point"], "invalidate", "{at}");
    assert_eq!(acknowledged["scoreboard"][2]["from_0"], 1, "{acknowledged}");
    let verdict = |answer: &Value| answer["reads"][0]["verdict"].as_str().unwrap().to_owned();
    assert!(verdict(stale).starts_with("STALE"), "{stale}");
    assert_eq!(after["point"], "return", "{after}");
    assert_eq!(verdict(fresh), "fresh", "{fresh}");
}

#[test]
fn a_shell_that_stands_with_all_cpus() {
    let script = "map 0x400000\nread 0x400000 on all\nbreak wait cpu 0\nbreak invalidate cpu 1-3\n\
                  remap 0x400000\nbreak --json\nscoreboard\npercpu\nthreads\nlapic 0 --json\nlapic 3 --json\n\
                  read 0x400000 on all\nregs 0\nbacktrace 2\n! map 0x500000\n! shoot page 0x400000 from 2\n\
                  ! selftest\ncontinue 1-3\ncontinue --json\nbreak clear\ncontinue\nread 0x400000 on all --json\n";
    for machine in [machine(), machine().proto("global-lock")] {
        let outcome = succeed(&machine, script);
        let answers = outcome.json();
        let parked = answers[0]["parked"].as_array().unwrap();
        let cpus: BTreeSet<u64> = parked
            .iter()
            .map(|cpu| cpu["cpu"].as_u64().unwrap())
            .collect();
        assert_eq!(cpus.len(), 4, "{}", answers[0]);
        assert_eq!(answers[1]["isr"], "none", "{}", answers[1]);
        assert!(
            answers[2]["isr"].as_str().unwrap().contains("0xf4"),
            "{}",
            answers[2]
        );
        assert!(
            told(&outcome.transcript).len() >= 4,
            "{}",
            outcome.transcript
        );
        assert!(
            outcome.transcript.contains("`remap 0x400000` has ended:"),
            "{}",
            outcome.transcript
        );
    }
}

#[test]
fn a_break_that_parks_for_requests_it_is_not_about() {
    let script = "break invalidate cpu 1 from 2\nshoot global --json\nbreak --json\nshoot global from 2\n\
                  break --json\ncontinue\nbreak clear\nshoot global from 2 --json\n";
    let answers = answers(&machine(), script);
    assert_eq!(answers[0]["generation"], 1, "{}", answers[0]);
    assert!(
        answers[1]["parked"].as_array().unwrap().is_empty(),
        "{}",
        answers[1]
    );
    assert_eq!(answers[2]["parked"][0]["cpu"], 1, "{}", answers[2]);
    assert_eq!(answers[3]["generation"], 2, "{}", answers[3]);
}

#[test]
fn a_wait_for_a_parked_cpu_that_counts_as_too_long() {
    // 100 ms of patience, and 1 s parked. CPU 2 waits for CPU 0, which waits for the parked one.
    let script = "break acknowledge cpu 1 1*\nshoot global\nshoot global from 2\nsleep 1000\n\
                  continue\nshoot global --json\n";
    for (protocol, generation) in [("scoreboard", 2), ("global-lock", 3)] {
        let machine = machine().proto(protocol).word("patience=100");
        let outcome = succeed(&machine, script);
        let transcript = &outcome.transcript;
        assert!(
            !transcript.contains("given up") && !transcript.contains("gives up"),
            "{protocol}: {transcript}"
        );
        assert_eq!(
            outcome.json()[0]["generation"],
            generation,
            "{protocol}: {transcript}"
        );
    }
}

#[test]
fn a_storm_that_a_break_ends_or_ruins() {
    for machine in [machine(), machine().proto("global-lock"), Machine::new(KIT)] {
        let script = "break send cpu 1 3*\nbreak acknowledge cpu 0 2*\nstorm rounds=50\nscoreboard\n\
                      break clear\ncontinue\nstats\n";
        let outcome = succeed(&machine, script);
        assert!(
            outcome.transcript.contains("`storm rounds=50` has ended:"),
            "{}",
            outcome.transcript
        );
        assert!(
            !outcome.transcript.contains("error"),
            "{}",
            outcome.transcript
        );
    }
}

#[test]
fn a_shell_that_lies_beneath_a_parked_handler() {
    // CPU 2 answers where it is parked, so CPU 1's shootdowns go on while the shell runs on CPU 0.
    let script = format!(
        "break send cpu 2 1*\nstorm rounds=10M initiators=1-2\n{}break --json\nbreak clear\n",
        "break acknowledge cpu 0 1*\nthreads\nstats\nsleep 200\ncontinue 0\n".repeat(5)
    );
    let machine = Machine::new(KIT)
        .threaded()
        .timeout(Duration::from_secs(300));
    let answers = answers(&machine, &script);
    let [seen] = &answers[..] else {
        panic!("{answers:?}")
    };
    let breaks = seen["breaks"].as_array().unwrap();
    assert!(breaks.iter().all(|one| one["hits"] == 1), "{seen}");
    assert!(seen["missed"].is_null(), "{seen}");
}

#[test]
fn two_runs_with_parked_cpus_that_differ() {
    let script = "map 0x400000\nread 0x400000 on all\nbreak acknowledge cpu 0\nshoot space from 1\nthreads\n\
                  step\nstep\ncontinue\nstats\npercpu\n";
    let (first, second) = (succeed(&machine(), script), succeed(&machine(), script));
    assert_eq!(first.transcript, second.transcript);
}

#[test]
fn a_machine_that_cannot_be_left_while_cpus_are_parked() {
    let parked = "break acknowledge cpu 0\nshoot global from 1\n";
    succeed(&machine(), parked);
    succeed(&machine(), &format!("{parked}quit\n"));
}
