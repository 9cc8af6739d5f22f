//! The evidence channel: all that the CPUs record arrives, in every kind of run and on every way
//! out of it, and the same run leaves the same evidence.

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use common::{KIT, succeed};
use evidence::{Defect, Event, Evidence, Key, decode};
use grader::machine::{Machine, Outcome};
use grader::status::Status;
use serde_json::Value;
use shootdown::{CpuId, Point};
use tempfile::TempDir;

const KEY: Key = Key::from_bytes(*b"the judge's key.");

/// A run's folder and what it left there.
struct Run {
    dir: TempDir,
}

impl Run {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("evidence")
    }

    fn machine(&self, machine: Machine) -> Machine {
        machine.evidence(self.file(), KEY)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    fn evidence(&self) -> Evidence {
        decode(&self.bytes(), Some(&KEY))
    }
}

/// What the kernel counts: a row a point, a column a CPU.
fn counted(outcome: &Outcome) -> Value {
    outcome.json().pop().expect("an answer")["stats"].clone()
}

/// The records of each point and CPU are as many as the kernel counted, and none is missing.
#[track_caller]
fn reconcile(evidence: &Evidence, counters: &Value) {
    assert!(evidence.is_sound(), "{:?}", evidence.defects);
    let counters = counters.as_array().expect("a table");
    let cpus = evidence.totals.as_ref().unwrap().len();
    for point in Point::ALL {
        // Before the channel is opened CPU 0 maps and activates.
        if matches!(point, Point::PteStore | Point::Activate) {
            continue;
        }
        let row = counters.iter().find(|row| row["count"] == point.name());
        for cpu in (0..cpus).filter_map(CpuId::new) {
            let recorded = evidence
                .records
                .iter()
                .filter(|record| record.cpu == cpu && record.event == Event::Point(point))
                .count() as u64;
            // What is 0 on every CPU has no row.
            let counted = row.map_or(0, |row| {
                row[format!("cpu{}", cpu.index())]
                    .as_u64()
                    .expect("a count")
            });
            assert_eq!(counted, recorded, "{point} on CPU {cpu}");
        }
    }
}

/// Ten thousand shootdowns, then the counters.
const STORM: &str = "storm rounds=2500\nstats --json\n";

#[test]
fn a_record_lost_in_a_storm_of_counted_instructions() {
    let run = Run::new();
    let outcome = succeed(&run.machine(Machine::new(KIT).deterministic()), STORM);
    reconcile(&run.evidence(), &counted(&outcome));
}

#[test]
fn a_record_lost_in_a_storm_of_real_threads() {
    let run = Run::new();
    // Four threads that spin on two cores take their time.
    let machine = Machine::new(KIT)
        .threaded()
        .timeout(Duration::from_secs(600));
    let outcome = succeed(&run.machine(machine), STORM);
    reconcile(&run.evidence(), &counted(&outcome));
}

#[test]
fn equal_runs_that_leave_unequal_evidence() {
    let script =
        "storm rounds=50\nmap 0x400000\nremap 0x400000\nproto global-lock\nstorm rounds=50\n";
    let left = || {
        let run = Run::new();
        succeed(&run.machine(Machine::new(KIT).deterministic()), script);
        run.bytes()
    };
    let first = left();
    assert!(first.len() > 1000, "{} bytes", first.len());
    assert!(first == left());
}

#[test]
fn a_way_out_on_which_the_end_of_the_evidence_is_lost() {
    let ways = [
        ("quit\n", Status::Success),
        ("quit 1\n", Status::CommandFailed),
        ("no-such-command\n", Status::CommandFailed),
        ("crash panic on 2\n", Status::Panicked),
        ("crash null\n", Status::Panicked),
        (
            "read 0x400000 on all\nwatchdog turns 20000 stop\nfault send drop\nremap 0x400000\n",
            Status::Hung,
        ),
    ];
    for (way, status) in ways {
        let run = Run::new();
        let script = format!("map 0x400000\nremap 0x400000\n{way}");
        let outcome = run.machine(Machine::new(KIT)).script(&script).unwrap();
        assert_eq!(outcome.status, status, "{way}{}", outcome.transcript);
        let evidence = run.evidence();
        assert!(evidence.is_sound(), "{way}{:?}", evidence.defects);
        assert!(!evidence.records.is_empty(), "{way}");
    }
}

#[test]
fn a_reset_that_passes_for_an_end() {
    let run = Run::new();
    let machine = run.machine(Machine::new(KIT));
    machine.script("map 0x400000\ncrash reset\n").unwrap();
    assert!(run.evidence().defects.contains(&Defect::Truncated));
}

/// A storm that ends by a panic leaves all that was recorded.
#[track_caller]
fn panics(machine: Machine, after: u32) {
    // An initiator that does not wait finds a slot that is still zero, and panics (I3).
    let script = format!("fault wait skip cpu 1 after {after}\nstorm rounds=5000\n");
    let run = Run::new();
    let outcome = run.machine(machine).script(&script).unwrap();
    assert_eq!(outcome.status, Status::Panicked, "{}", outcome.transcript);
    let evidence = run.evidence();
    assert!(
        evidence.totals.is_some(),
        "{:?}\n{}",
        evidence.defects,
        outcome.transcript
    );
    assert!(evidence.records.len() > 1000);
    // A CPU may be halted in the middle of its last record.
    for defect in &evidence.defects {
        let last = matches!(defect, Defect::Lost { from, to, .. } if from == to);
        assert!(last, "{defect:?}");
    }
}

#[test]
fn a_panic_in_the_middle_of_a_storm_that_garbles_the_evidence() {
    panics(Machine::new(KIT).threaded(), 200);
}

#[test]
fn a_panic_whose_nmi_halts_a_cpu_at_the_channel() {
    // Which CPU is writing records out at that moment differs from run to run.
    for after in (156..=191).step_by(5) {
        panics(Machine::new(KIT).deterministic(), after);
    }
}

#[test]
fn evidence_of_another_run_taken_for_this_one_s() {
    let run = Run::new();
    succeed(&run.machine(Machine::new(KIT)), "map 0x400000\n");
    let other = Key::from_bytes([7; 16]);
    let evidence = decode(&run.bytes(), Some(&other));
    assert!(!evidence.is_sound() && evidence.records.is_empty());
}
