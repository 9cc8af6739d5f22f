//! What is booted under that KVM, and what must come of it.

use evidence::Timeline;
use evidence::judge::{INVARIANTS, judge};
use serde_json::Value;

use super::{Case, Ran};
use crate::child::MachineExit;
use crate::options::{Apic, MachineOptions};

/// Pages change hands and are read on every CPU; each transport has a storm of its own, and KVM refuses a call.
const ALL: &str = "transport --json\nmap 0x400000 4\nread 0x400000 on all\nremap 0x400000\nread 0x400000 on all\n\
                   expect all last.verdict == fresh\nprotect 0x400000 ro\nunmap 0x400000 4\n\
                   selftest ipi\nstorm rounds=15 --json\nstorm rounds=4 pages=8 proto=queue --json\n\
                   selftest refused\ntransport x2apic\nstorm rounds=15 --json\ntransport kvm\n\
                   storm rounds=4 --json\nselftest ring3-fresh\n";

/// For a machine in which the local APICs have the other mode, or more CPUs than a bitmap reaches.
const SHORT: &str = "transport --json\nselftest identity\nselftest ipi\nselftest refused\nmap 0x400000\n\
                     read 0x400000 on all\nremap 0x400000\nread 0x400000 on all\nexpect all last.verdict == fresh\n\
                     storm rounds=6 --json\n";

/// Every boot. The first says most of the hypercall.
#[must_use]
pub fn cases() -> Vec<Case> {
    let machine = |cpus, apic| MachineOptions {
        cpus,
        apic,
        ..MachineOptions::default()
    };
    let case = |name, options, script: &str| Case {
        name,
        options,
        apic_ids: Vec::new(),
        without: "",
        script: script.to_owned(),
    };
    vec![
        case("x2apic", machine(2, Apic::Auto), ALL),
        case("xapic", machine(3, Apic::Xapic), SHORT),
        // From CPU 0 two calls: one's bitmap begins at 63, and has ids at both sides of its halves' border.
        Case {
            apic_ids: vec![0, 63, 126, 127, 254],
            ..case(
                "apart",
                machine(5, Apic::Auto),
                &SHORT.replace("rounds=6", "rounds=3"),
            )
        },
        Case {
            without: ",-kvm-pv-ipi",
            ..case(
                "not-offered",
                machine(2, Apic::Auto),
                "transport --json\nstorm rounds=10 --json\n",
            )
        },
    ]
}

/// What measures each transport in turns, with one target and with three.
#[must_use]
pub fn benchmarks() -> Vec<Case> {
    [("two", 2), ("four", 4)]
        .map(|(name, cpus)| Case {
            name,
            options: MachineOptions {
                cpus,
                ..MachineOptions::default()
            },
            apic_ids: Vec::new(),
            without: "",
            script: "bench transports --json\n".to_owned(),
        })
        .into()
}

/// The first table of the answer of the command `name`, each time that it was given with `--json`.
fn answers<'a>(transcript: &'a str, name: &'a str) -> impl Iterator<Item = Value> + 'a {
    transcript
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(move |answer| answer["command"] == name)
}

/// The row of `transport` about the hypercall.
#[must_use]
pub fn hypercall(ran: &Ran) -> Option<Value> {
    let answer = answers(&ran.transcript, "transport").next()?;
    let rows = answer["transports"].as_array()?;
    rows.iter().find(|row| row["transport"] == "kvm").cloned()
}

/// The storms' answers.
pub fn storms(ran: &Ran) -> impl Iterator<Item = Value> + '_ {
    answers(&ran.transcript, "storm")
}

/// What is wrong with how `case` ended: nothing, if it is empty.
#[must_use]
pub fn faults(case: &Case, ran: &Ran) -> Vec<String> {
    let mut faults = Vec::new();
    if ran.exit != MachineExit::Success {
        faults.push(format!("its machine ended with {:?}", ran.exit));
    }
    match (hypercall(ran), case.without.is_empty()) {
        (None, _) => faults.push("`transport` has no row about the hypercall".to_owned()),
        (Some(row), true) if row["in_use"] != true => {
            faults.push(format!("the hypercall is not in use: {}", row["lacks"]));
        }
        (Some(row), false) if !row["lacks"].to_string().contains("without bit 11") => {
            faults.push(format!(
                "the hypercall is switched off, and `transport` says: {row}"
            ));
        }
        _ => {}
    }
    let passed = |line: &&str| line.starts_with("passed ") && line.ends_with(" 1");
    let (asked, passed) = (
        case.script.matches("selftest ").count(),
        ran.transcript.lines().filter(passed).count(),
    );
    if passed != asked {
        faults.push(format!("of {asked} self-tests {passed} passed"));
    }
    let expected = case.script.matches("storm ").count();
    let mut seen = 0;
    for storm in storms(ran) {
        seen += 1;
        if storm["stale_reads"] != 0 || storm["ipis_sent"] == 0 {
            faults.push(format!("storm {seen}: {storm}"));
        }
        for count in storm["counts"].as_array().into_iter().flatten() {
            if count["verdict"] != "agrees" {
                faults.push(format!("storm {seen}: {count}"));
            }
        }
    }
    if seen != expected {
        faults.push(format!("{seen} storms answered, not {expected}"));
    }
    let verdict = judge(&ran.evidence, &Timeline::new(ran.evidence.records.clone()));
    if !verdict.sound {
        faults.push(format!(
            "its evidence is not sound: {:?}",
            ran.evidence.defects
        ));
    }
    for finding in &verdict.findings {
        faults.push(format!(
            "the judge, I{}: {}",
            finding.invariant, finding.text
        ));
    }
    if held(ran).is_empty() {
        faults.push("the judge saw no invariant".to_owned());
    }
    faults
}

/// The numbers of the invariants that the judge saw hold, and how often each.
#[must_use]
pub fn held(ran: &Ran) -> Vec<(u8, u64)> {
    let verdict = judge(&ran.evidence, &Timeline::new(ran.evidence.records.clone()));
    let rows = INVARIANTS.iter().zip(verdict.rows);
    rows.filter(|(_, row)| row.held > 0)
        .map(|(invariant, row)| (invariant.number, row.held))
        .collect()
}
