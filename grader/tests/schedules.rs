//! Counterexamples of the explorer, brought about in the real kernel by the scripts that it writes of them.

mod common;

use std::path::Path;
use std::process::Command;

use common::KIT;
use grader::status::Status;

/// A wrong solution, the scene in which it breaks a rule, and how the kernel shows it.
struct Case {
    lab: &'static str,
    folder: &'static str,
    wrong: &'static str,
    scene: &'static str,
    /// The invariant that the judge of the evidence must find broken.
    invariant: &'static str,
}

const CASES: [Case; 6] = [
    Case {
        lab: "3",
        folder: "03-one-at-a-time",
        wrong: "no-lock",
        scene: "both",
        invariant: "I3",
    },
    Case {
        lab: "4",
        folder: "04-everyone-at-once",
        wrong: "masked",
        scene: "both",
        invariant: "I7",
    },
    Case {
        lab: "4",
        folder: "04-everyone-at-once",
        wrong: "zero-first",
        scene: "again",
        invariant: "I1",
    },
    Case {
        lab: "5",
        folder: "05-answer",
        wrong: "acknowledge-first",
        scene: "again",
        invariant: "I4",
    },
    Case {
        lab: "5",
        folder: "05-answer",
        wrong: "no-drain",
        scene: "two-of-three",
        invariant: "I6",
    },
    Case {
        lab: "7",
        folder: "07-when-it-goes-wrong",
        wrong: "no-settle",
        scene: "given-up",
        invariant: "I3",
    },
];

/// The status and standard output of `kit` with `words`.
fn kit(words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(KIT).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said + &complaint)
}

fn code(status: Status) -> Option<i32> {
    Some(i32::from(status.code()))
}

/// Runs `script` in the kernel with `solution`, judged.
fn judged(lab: &str, solution: &str, script: &str) -> (Option<i32>, String) {
    kit(&[
        "trace",
        "--judge",
        "--lab",
        lab,
        "--solution",
        solution,
        "--deterministic",
        "--script",
        script,
    ])
}

/// Whether the judge says so of `invariant`.
fn is_broken(invariant: &str, said: &str) -> bool {
    said.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(invariant) && words.next() == Some("BROKEN")
    })
}

#[test]
fn a_counterexample_that_the_kernel_does_not_show() {
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../labs");
    let folder = tempfile::tempdir().unwrap();
    for case in CASES {
        let Case { lab, wrong, .. } = case;
        let file = |name: &str| {
            let path = labs.join(case.folder).join(name);
            path.canonicalize().unwrap().to_str().unwrap().to_owned()
        };
        let solution = file(&format!("wrong/{wrong}.rs"));
        let script = folder.path().join(format!("{lab}-{wrong}.tlb"));
        let script = script.to_str().unwrap();
        let words = [
            "explore", lab, &solution, "--scene", case.scene, "--script", script,
        ];
        let (status, said) = kit(&words);
        assert_eq!(status, code(Status::Violation), "{wrong}: {said}");
        assert!(said.contains("the script is in"), "{wrong}: {said}");
        let (status, said) = judged(lab, &solution, script);
        assert_eq!(status, code(Status::Violation), "{wrong}: {said}");
        assert!(!said.contains("script: stopped"), "{wrong}: {said}");
        assert!(is_broken(case.invariant, &said), "{wrong}: {said}");
        // A right solution does not go that way.
        let (status, said) = judged(lab, &file("reference.rs"), script);
        assert_eq!(status, code(Status::CommandFailed), "{wrong}: {said}");
        assert!(said.contains("script: stopped"), "{wrong}: {said}");
        assert!(!is_broken(case.invariant, &said), "{wrong}: {said}");
    }
}

#[test]
fn a_script_that_is_written_though_it_does_not_show_anything() {
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../labs/04-everyone-at-once/wrong");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("out.tlb");
    let solution = labs.join("no-critical.rs").canonicalize().unwrap();
    let (status, said) = kit(&[
        "explore",
        "4",
        solution.to_str().unwrap(),
        "--scene",
        "moved",
        "--script",
        script.to_str().unwrap(),
    ]);
    assert_eq!(status, code(Status::Violation), "{said}");
    assert!(
        said.contains("no script was written: CPU 0 runs thread 1"),
        "{said}"
    );
    assert!(!script.exists());
}
