//! `kit explore`: its statuses, and schedules that lead where they say.

mod common;

use std::fs;
use std::process::Command;

use common::KIT;
use grader::status::Status;

/// The status and the output of `kit explore` with `words`.
fn explore(words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(KIT)
        .arg("explore")
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said + &complaint)
}

fn code(status: Status) -> Option<i32> {
    Some(i32::from(status.code()))
}

#[test]
fn a_verdict_with_the_wrong_status() {
    let (status, said) = explore(&["queue", "--scene", "one", "--scene", "again"]);
    assert_eq!(status, code(Status::Success), "{said}");
    assert_eq!(said.matches("holds in every state").count(), 2, "{said}");
    let (status, said) = explore(&["scoreboard", "--scene", "both", "--limit", "20"]);
    assert_eq!(status, code(Status::Unfinished), "{said}");
    let (status, said) = explore(&["scoreboard", "--scene", "lost"]);
    assert_eq!(status, code(Status::Violation), "{said}");
    for word in ["its interrupt is lost", "I2: ", "scoreboard.rs:"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (status, said) = explore(&["--scene", "crowd", "--sample", "20", "--seed", "7"]);
    assert_eq!(status, code(Status::Unfinished), "{said}");
    assert!(said.contains("20 schedules of seed 7"), "{said}");
    let (status, said) = explore(&["--scene", "nowhere"]);
    assert_eq!(status, code(Status::Usage), "{said}");
    assert!(said.contains("one, range, again"), "{said}");
    let (status, said) = explore(&["nothing"]);
    assert_eq!(status, code(Status::Usage), "{said}");
}

#[test]
fn a_schedule_that_cannot_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lost.schedule");
    let path = file.to_str().unwrap();
    let (status, found) = explore(&["--scene", "lost", "--schedule", path]);
    assert_eq!(status, code(Status::Violation), "{found}");
    let (status, replayed) = explore(&["--replay", path]);
    assert_eq!(status, code(Status::Violation), "{replayed}");
    let lanes = |text: &str| {
        let lines = text.lines().filter(|line| line.contains("CPU "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lanes(&found), lanes(&replayed));
    // Another protocol does not take these steps.
    let (status, said) = explore(&["queue", "--replay", path]);
    assert_ne!(status, code(Status::Success), "{said}");
    fs::write(&file, "scene lost\ndo nothing\n").unwrap();
    let (status, said) = explore(&["--replay", path]);
    assert_eq!(status, code(Status::Usage), "{said}");
    assert!(said.contains("line 2: `do nothing`"), "{said}");
}
