//! How translations are tagged, where that is not the plain way: Bochs has PCIDs and INVPCID. That a forgotten flush of what an inactive PCID tags shows, no emulator can say, since each drops it
//! anyway: the explorer's scenes do (`grader/MACHINES.md`).

mod common;

use common::{KIT, succeed};
use grader::machine::Machine;
use grader::options::Board;
use serde_json::Value;
use shell::words::WORDS;

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

#[test]
fn isolation_that_is_declined_and_not_heeded() {
    let machine = bochs().word("pti").word("nopti");
    mode(machine, "invpcid");
    let declined = succeed(&Machine::new(KIT).word("pti").word("nopti"), "pcids\n");
    assert!(
        declined.transcript.contains("pti      not asked for"),
        "{}",
        declined.transcript
    );
}

/// More spaces than there are PCIDs below 4, used in turn.
const CROWDED: &str = "map 0x400000\nrepeat 5 { space new; map 0x400000 }\n\
                       repeat 2 { for space in 1-6 { read in $space 0x400000 on all; expect all last.verdict == fresh } }\n\
                       for space in 1-6 { space use $space; remap 0x400000; read 0x400000 on all; \
                       expect all last.verdict == fresh }\nstorm rounds=20\npcids --json\n";

#[test]
fn pcids_beyond_those_that_may_be_handed_out() {
    let spaces = |words: &[&str]| -> Vec<(String, u64)> {
        let machine = words
            .iter()
            .fold(bochs(), |machine, word| machine.word(word));
        let answer = succeed(&machine, CROWDED).json().pop().unwrap();
        let rows = answer["spaces"].as_array().unwrap().iter();
        let row = |row: &Value| {
            let pcid = row["pcid"].as_str().unwrap_or_default().to_owned();
            (pcid, row["present"].as_u64().unwrap())
        };
        rows.map(row).collect()
    };
    let number = |pcid: &str| u64::from_str_radix(pcid.trim_start_matches("0x"), 16).unwrap();
    for words in [&["pcids=4"][..], &["pcids=4", "pti"]] {
        let few = spaces(words);
        assert!(few.iter().all(|(pcid, _)| number(pcid) < 4), "{few:?}");
        // They have run out, and all began anew.
        assert!(few.iter().all(|&(_, present)| present > 1), "{few:?}");
    }
    let many = spaces(&[]);
    assert!(many.iter().any(|(pcid, _)| number(pcid) >= 4), "{many:?}");
    assert!(many.iter().all(|&(_, present)| present == 1), "{many:?}");
}

#[test]
fn a_word_of_the_command_line_that_is_taken_for_another() {
    // Those that the kernel's table has, each with a right value and with a wrong one, or one too many or too few.
    let (mut right, mut wrong) = (Machine::new(KIT), Machine::new(KIT));
    let mut complaints = Vec::new();
    for word in WORDS {
        if word.value.is_empty() {
            if !["script", "followed"].contains(&word.name) {
                right = right.word(word.name);
            }
            let bad = format!("{}=1", word.name);
            wrong = wrong.word(&bad);
            complaints.push(format!(
                "boot: `{bad}` is left out: {} takes no value",
                word.name
            ));
            continue;
        }
        if !word.right.is_empty() {
            right = right.word(&format!("{}={}", word.name, word.right));
        }
        let names = ["proto", "exec"];
        let bad = match names.contains(&word.name) {
            true => format!("{}=", word.name),
            false => format!("{}=wrong", word.name),
        };
        wrong = wrong.word(&bad);
        let expected = word.usage();
        complaints.push(format!(
            "boot: `{bad}` is left out: {expected} was expected"
        ));
    }
    let wrong = succeed(
        &wrong.word("pcid=4").word("pcids=1").word("pcids=2049"),
        "cpus\n",
    );
    complaints.push("boot: the kernel knows no word `pcid=4`: it is left out".to_owned());
    for bad in ["pcids=1", "pcids=2049"] {
        complaints.push(format!(
            "boot: `{bad}` is left out: pcids=2 to 2048 was expected"
        ));
    }
    for complaint in &complaints {
        let said = wrong.transcript.lines().any(|line| line == complaint);
        assert!(said, "{complaint}\n{}", wrong.transcript);
    }
    let right = succeed(&right, "pcids\ntransport\n");
    let complained = right.transcript.contains("` is left out");
    assert!(!complained, "{}", right.transcript);
    assert!(
        right.transcript.contains("xapic      yes"),
        "{}",
        right.transcript
    );
}

#[test]
fn what_was_asked_for_and_is_not_there_without_a_word() {
    let says = |machine: Machine, line: &str| {
        let outcome = succeed(&machine, "transport\n");
        assert!(
            outcome.transcript.contains(line),
            "{line}\n{}",
            outcome.transcript
        );
    };
    let transport = |why: &str| format!("boot: transport {why} is in use\n");
    for machine in [Machine::new(KIT), bochs()] {
        says(
            machine.clone().word("transport=kvm"),
            &transport("kvm is not to be had: KVM does not run this machine; x2apic"),
        );
        says(
            machine.word("transport=xapic"),
            &transport(
                "xapic is not to be had: the local APICs were started in x2apic mode; x2apic",
            ),
        );
    }
    says(
        Machine::new(KIT).word("pcids=8"),
        "boot: pcids is left out: there are no PCIDs in mode plain\n",
    );
}
