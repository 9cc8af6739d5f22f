//! How translations are tagged and interrupts sent, where that is not the plain way: Bochs has PCIDs and INVPCID, and
//! KVM a hypercall. That a forgotten flush of what an inactive PCID tags shows, no emulator can say, since each drops it
//! anyway: the explorer's scenes do (`grader/MACHINES.md`).

mod common;

use std::io::{Write, stderr};

use common::{KIT, succeed};
use grader::kvm;
use grader::machine::Machine;
use grader::options::Board;
use serde_json::Value;

/// Spaces are left and come back to, several pages and the kernel's are shot down, and ring 3 reads what is fresh.
const SCRIPT: &str = "pcids\nmap 0x400000 8\nread 0x400000 on all\nremap 0x400000\nread 0x400000 on all\n\
                      expect all last.verdict == fresh\nkpage\nunmap 0x400000 8\nstorm rounds=20\n\
                      selftest ring3-fresh\n";

#[track_caller]
fn mode(machine: Machine, mode: &str) {
    let outcome = succeed(&machine, SCRIPT);
    assert!(
        outcome.transcript.contains(&format!("mode     {mode}\n")),
        "{}",
        outcome.transcript
    );
}

fn bochs() -> Machine {
    Machine::new(KIT).board(Board::Bochs)
}

#[test]
fn a_cpu_s_pcids_and_invpcid_that_are_not_used() {
    mode(bochs(), "invpcid");
}

#[test]
fn ring_3_s_own_tables_that_do_not_work_with_invpcid() {
    mode(bochs().word("pti"), "invpcid+pti");
}

#[test]
fn ring_3_s_own_tables_that_do_not_work_without_invpcid() {
    mode(bochs().word("pti").word("noinvpcid"), "pcid+pti");
}

#[test]
fn a_word_that_declines_and_is_not_heeded() {
    mode(bochs().word("noinvpcid"), "pcid");
    mode(bochs().word("nopcid"), "plain");
}

#[test]
fn pcids_used_where_there_are_none() {
    mode(Machine::new(KIT), "plain");
    mode(Machine::new(KIT).word("pti"), "plain");
}

/// Each kind of shootdown, and spaces that are left and come back to; then the self-test for what no shootdown needs.
const EXECUTED: &str = "map 0x400000 8\nspace new\nmap 0x600000\nspace use 1\nread 0x400000 on all\n\
                        read in 2 0x600000 on all\nread 0x400000 on all\nremap 0x400000\nshoot space\nkpage\n\
                        shoot global\nstats --json\nselftest invpcid\nstats --json\n";

/// How often each of `names` was counted on each CPU, in each answer of `stats` in turn.
fn executed(machine: &Machine, names: [&str; 5]) -> Vec<[Vec<u64>; 5]> {
    let answers = succeed(machine, EXECUTED).json();
    let count = |answer: &Value, name: &str| {
        let rows = answer["stats"].as_array().unwrap();
        let row = rows.iter().find(|row| row["count"] == name);
        let cell = |cpu: u32| row.and_then(|row| row[format!("cpu{cpu}")].as_u64());
        (0..4).map(|cpu| cell(cpu).unwrap_or(0)).collect()
    };
    let of = |answer| names.map(|name| count(answer, name));
    answers.iter().map(of).collect()
}

#[test]
fn a_type_of_invpcid_or_a_cr3_write_that_keeps_which_is_never_executed() {
    let names = [
        "invpcid-0",
        "invpcid-1",
        "invpcid-2",
        "invpcid-3",
        "cr3-kept",
    ];
    let [shot, tested] = &executed(&bochs().word("pti"), names)[..] else {
        panic!("two answers were expected");
    };
    for (name, counts) in names.iter().zip(shot) {
        // By shootdowns, every CPU: all but type 3, which no operation needs. CPU 0 initiates, in its own space.
        let least = usize::from(*name == "cr3-kept");
        let idle = *name == "invpcid-3";
        assert!(
            counts[least..].iter().all(|&count| (count == 0) == idle),
            "{name}: {counts:?}"
        );
    }
    for ((name, before), after) in names.iter().zip(shot).zip(tested) {
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        assert!(sum(after) > sum(before), "{name}: {before:?}, {after:?}");
    }
}

/// Says that a test did not run: past what catches a passing test's output.
fn did_not_run(why: &str) {
    let _ = writeln!(stderr(), "DID NOT RUN: KVM's hypercall: {why}");
}

#[test]
fn interrupts_by_hypercall_that_do_not_arrive() {
    if let Some(why) = kvm::lacks() {
        return did_not_run(&why);
    }
    let machine = Machine::new(KIT).kvm();
    let outcome = succeed(&machine, "transport\n");
    let row = outcome
        .transcript
        .lines()
        .find(|line| line.starts_with("kvm "))
        .unwrap();
    if row.contains("does not offer") {
        return did_not_run("this host's KVM does not offer it");
    }
    succeed(
        &machine,
        "map 0x400000\nread 0x400000 on all\nremap 0x400000\nread 0x400000 on all\n\
         expect all last.verdict == fresh\nbench transports\ntransport x2apic\nremap 0x400000\n",
    );
}
