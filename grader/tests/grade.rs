//! Grading: the verdict is right and repeatable, its three kinds are kept apart, and there is a report whatever happens.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use common::{KIT, Running, signal, wait_for};
use grader::grade::report::{Outcome, Passed, Report};
use grader::labs::Manifest;
use grader::labs::court::{Court, Trust};
use grader::machine::Machine;
use grader::status::Status;
use grader::workspace::Workspace;
use rustix::process::Signal;
use sandbox::{Layers, Limits, Policy, Starts};
use tempfile::TempDir;

/// A submission's folder, and the report on it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Desk {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn report(&self) -> PathBuf {
        self.folder.path().join("out/report.json")
    }

    /// What `kit` is to grade: the lab's own file, `source` if there is any.
    fn command(&self, lab: u8, source: Option<&[u8]>, words: &[&str]) -> Command {
        let file = self.folder.path().join("solution.rs");
        if let Some(source) = source {
            fs::write(&file, source).unwrap();
        }
        let mut command = Command::new(KIT);
        command
            .arg("grade")
            .arg(&file)
            .args(["--name", "ada", "--lab", &lab.to_string(), "--report"])
            .arg(self.report())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn grade(&self, lab: u8, source: Option<&[u8]>, words: &[&str]) -> (Report, Output) {
        let output = self.command(lab, source, words).output().unwrap();
        let report = Report::read(&self.report())
            .unwrap_or_else(|error| panic!("{error}\n{}", said(&output)));
        (report, output)
    }
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

/// A file of lab `number`.
fn of(number: u8, name: &str) -> Vec<u8> {
    let workspace = Workspace::find().unwrap();
    let manifest = Manifest::read(&workspace).unwrap();
    let path = manifest.lab(number).unwrap().path(&workspace).join(name);
    fs::read(path).unwrap()
}

#[test]
fn a_right_solution_that_loses_points() {
    let (report, output) = Desk::new().grade(5, Some(&of(5, "reference.rs")), &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(report.outcome, Outcome::Graded);
    assert_eq!((report.points, report.of), (100, 100), "{report:#?}");
    assert_eq!(report.submission, "ada");
    assert!(report.sandbox.contains("landlock"), "{}", report.sandbox);
}

#[test]
fn a_wrong_solution_whose_feedback_leaves_something_out() {
    let (report, output) = Desk::new().grade(5, Some(&of(5, "wrong/no-drain.rs")), &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(report.outcome, Outcome::Graded);
    assert!(0 < report.points && report.points < report.of);
    assert_eq!(report.points, report.earned());
    let failed = report
        .checks
        .iter()
        .find(|check| check.passed == Passed::No);
    let failed = failed.unwrap();
    assert_eq!(failed.invariant, Some(6), "{failed:#?}");
    for told in [
        &failed.description,
        &failed.rationale,
        &failed.input,
        &failed.expected,
        &failed.actual,
        &failed.log,
        &failed.hint,
        failed.schedule.as_ref().unwrap(),
        failed.reproduce.as_ref().unwrap(),
    ] {
        assert!(!told.is_empty(), "{failed:#?}");
        assert!(!told.contains("grade-"), "a private name: {told}");
    }
    let again = failed.reproduce.as_ref().unwrap();
    let script = "--script lab-5-two-of-three.tlb";
    assert!(
        again.lines().count() == 2
            && again.lines().all(|line| line.ends_with(script))
            && again
                .contains("\nin the kernel: cargo kit trace --judge --lab 5 --solution labs/work/"),
        "{again}"
    );
    let skipped = report
        .checks
        .iter()
        .find(|check| check.passed == Passed::Skipped);
    assert!(skipped.unwrap().dependency.is_some());
}

#[test]
fn a_submission_that_cannot_be_graded_taken_for_a_zero_or_a_failure_of_the_host() {
    let cases: [(Option<&[u8]>, &str); 4] = [
        (None, "solution.rs"),
        (
            Some(b"#![no_std]\n#![forbid(unsafe_code)]\nfn f() -> u32 { true }\n"),
            "mismatched types",
        ),
        (
            Some(b"#![no_std]\n#![forbid(unsafe_code)]\nstatic A: u32 = 0;\n"),
            "`static`",
        ),
        (Some(b"\xff\xfe"), "UTF-8"),
    ];
    for (source, reason) in cases {
        let (report, output) = Desk::new().grade(5, source, &[]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(report.outcome, Outcome::NotGradable, "{reason}");
        assert!(report.reason.contains(reason), "{}", report.reason);
        assert_eq!(report.points, 0);
    }
}

/// What code can do to a process without anything unsafe, alone: it fails the check in which it does, by a name.
#[test]
fn a_solution_that_harms_its_own_process_taken_for_the_host_s_failure() {
    let right = String::from_utf8(of(5, "reference.rs")).unwrap();
    let begins = "        let mut served = 0;\n";
    let recursion = "        fn deeper(n: u64) -> u64 { if n == u64::MAX { n } else { deeper(n + 1) ^ deeper(n + 2) } }\n        \
                     if deeper(served.into()) == 1 { return 1; }\n";
    for (does, told) in [
        ("        while served == 0 {}\n", "used up its CPU time"),
        (
            recursion,
            "crashed: does a call go on into itself without end?",
        ),
    ] {
        let source = right.replace(begins, &format!("{begins}{does}"));
        assert_ne!(source, right);
        let (report, output) = Desk::new().grade(5, Some(source.as_bytes()), &[]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(report.outcome, Outcome::Graded, "{}", report.reason);
        let mut checks = report.checks.iter();
        let failed = checks.find(|check| check.passed == Passed::No).unwrap();
        assert!(
            failed.name == "one" && failed.actual.contains(told),
            "{failed:#?}"
        );
    }
}

#[test]
fn a_host_without_qemu_that_costs_a_student_points() {
    let desk = Desk::new();
    let source = of(1, "reference.tlb");
    let mut command = desk.command(1, Some(&source), &[]);
    // Neither QEMU nor what could install it.
    let output = command.env("PATH", desk.folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    let report = Report::read(&desk.report()).unwrap();
    assert_eq!(report.outcome, Outcome::Infrastructure);
    assert!(!report.reason.is_empty());
    // Once the host is whole again, it is graded.
    let (report, _) = desk.grade(1, Some(&source), &[]);
    assert_eq!(
        (report.outcome, report.points),
        (Outcome::Graded, report.of)
    );
}

#[test]
fn a_tier_that_is_silently_lowered() {
    let desk = Desk::new();
    let source = of(5, "reference.rs");
    let command = desk.command(5, Some(&source), &["--tier", "full"]);
    // A host on which nobody makes namespaces: that call is refused to kit, and to all that it starts.
    let policy = Policy {
        readable: Vec::new(),
        writable: Vec::new(),
        environment: std::env::vars().collect(),
        starts: Starts::Programs,
        limits: Limits {
            cpu: 600,
            memory: 4 << 30,
            processes: 1000,
            disk: 1 << 30,
            files: 1000,
            output: 1 << 20,
            wall: 600,
        },
        layers: Layers {
            seccomp: true,
            ..Layers::NONE
        },
    };
    let mut poor = Command::new(KIT);
    poor.args(policy.arguments(Path::new(KIT)))
        .args(command.get_args());
    let output = poor.output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    let report = Report::read(&desk.report()).unwrap();
    assert_eq!(report.outcome, Outcome::Infrastructure);
    assert!(report.reason.contains("`full`"), "{}", report.reason);
    let mut checks = report.checks.iter();
    assert!(
        checks.all(|check| check.passed == Passed::Pending),
        "{report:#?}"
    );
    // What is there is enough for less.
    let (report, output) = desk.grade(5, None, &["--tier", "strong"]);
    assert_eq!(report.outcome, Outcome::Graded, "{}", said(&output));
}

#[test]
fn a_report_that_cannot_be_written() {
    let desk = Desk::new();
    fs::write(
        desk.folder.path().join("out"),
        "a file where a folder should be",
    )
    .unwrap();
    let source = of(5, "reference.rs");
    let output = desk.command(5, Some(&source), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(said(&output).contains("out"), "{}", said(&output));
}

#[test]
fn a_run_that_is_killed_and_loses_what_it_had_done() {
    let source = of(5, "reference.rs");
    let whole = Desk::new().grade(5, Some(&source), &[]).0;
    let desk = Desk::new();
    let mut child = Running(desk.command(5, Some(&source), &[]).spawn().unwrap());
    let passed = |report: &Report| {
        let passed = report
            .checks
            .iter()
            .filter(|check| check.passed == Passed::Yes);
        passed.count()
    };
    wait_for("three checks", || {
        Report::read(&desk.report())
            .ok()
            .filter(|report| passed(report) >= 3)
    });
    signal(&child.0, Signal::KILL);
    let _ = child.0.wait();
    let mut left = Report::read(&desk.report()).unwrap();
    if left.outcome == Outcome::Running {
        // What is done is not done again: else this mark would be gone.
        left.checks[1].looked = "a mark".into();
        left.write(&desk.report()).unwrap();
        let (mut report, _) = desk.grade(5, None, &[]);
        assert_eq!(report.checks[1].looked, "a mark");
        report.checks[1].looked.clone_from(&whole.checks[1].looked);
        assert_eq!(report, whole);
    } else {
        assert_eq!(left, whole);
    }
}

#[test]
fn another_solution_that_gets_the_verdict_of_the_first() {
    let desk = Desk::new();
    let (first, _) = desk.grade(5, Some(&of(5, "wrong/constant.rs")), &[]);
    let (second, _) = desk.grade(5, Some(&of(5, "wrong/half.rs")), &[]);
    assert_ne!(first.solution, second.solution);
    assert_ne!(first.checks, second.checks);
}

#[test]
fn a_hidden_check_that_gives_itself_away() {
    let source = of(5, "reference.rs");
    let hidden = |words: &[&str]| {
        let report = Desk::new().grade(5, Some(&source), words).0;
        report
            .checks
            .into_iter()
            .find(|check| check.hidden)
            .unwrap()
    };
    let (shown, revealed) = (hidden(&[]), hidden(&["--reveal"]));
    assert_eq!(shown.passed, Passed::Yes);
    assert_eq!((shown.points, shown.of), (revealed.points, revealed.of));
    for told in [
        &shown.input,
        &shown.expected,
        &shown.rationale,
        &shown.looked,
    ] {
        assert!(told.is_empty(), "{shown:#?}");
    }
    assert!(!revealed.input.is_empty() && revealed.description != shown.description);
}

#[test]
fn a_busy_host_that_changes_a_verdict() {
    let source = of(4, "wrong/masked.rs");
    let grade = || Desk::new().grade(4, Some(&source), &[]).0;
    let quiet = grade();
    let spin = || {
        let spinning = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn();
        Running(spinning.unwrap())
    };
    let busy: Vec<Running> = (0..3 * thread::available_parallelism().unwrap().get())
        .map(|_| spin())
        .collect();
    let report = grade();
    drop(busy);
    assert!(report == quiet, "{report:#?}");
    // One core, as on a small grading machine.
    let desk = Desk::new();
    let command = desk.command(4, Some(&source), &[]);
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", "0"])
        .arg(command.get_program())
        .args(command.get_args());
    let output = pinned.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(Report::read(&desk.report()).unwrap() == quiet);
}

#[test]
fn a_path_that_is_no_file_of_one_s_own() {
    let desk = Desk::new();
    let file = desk.folder.path().join("solution.rs");
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    let (report, _) = desk.grade(5, None, &[]);
    assert_eq!(report.outcome, Outcome::NotGradable);
    assert!(
        report.reason.contains("no regular file"),
        "{}",
        report.reason
    );
    assert!(Path::new("/etc/hostname").exists());
}

#[test]
fn evidence_that_depends_on_the_host() {
    let workspace = Workspace::find().unwrap();
    let trust = Trust::Stranger(Layers::of_this_host(Path::new(KIT)));
    let court = Court::new(&workspace, Path::new(KIT), trust);
    let script = "storm rounds=20\n";
    let judged = court.judged(court.machine(), script).unwrap();
    assert_eq!(judged.doubt, None);
    assert!(judged.timeline.shootdowns().len() >= 80);
    // Threads race: whatever is seen in one run is not seen in the other.
    let racing = Machine::new(KIT).threaded();
    let failure = court.judged(racing, script).err().expect("a failure");
    assert_eq!(failure.status, Status::Host);
    assert!(failure.message.contains("unequal"), "{failure}");
}
