//! Batches with a grader that only pretends.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;

/// Says of each solution what its first line says: `points 7`, or how to fail.
struct Pretends {
    kit: String,
    prepares: bool,
    graded: Mutex<BTreeMap<String, usize>>,
}

impl Pretends {
    fn new(kit: &str) -> Self {
        Self {
            kit: kit.to_owned(),
            prepares: true,
            graded: Mutex::default(),
        }
    }

    fn times(&self, submission: &str) -> usize {
        *self.graded.lock().unwrap().get(submission).unwrap_or(&0)
    }
}

impl GradeOne for Pretends {
    fn prepare(&self, _: &[Job]) -> Result<(), Failure> {
        match self.prepares {
            true => Ok(()),
            false => Err(Failure::host("no compiler")),
        }
    }

    fn grade(&self, job: &Job, _: &Stop) -> Result<(), Failure> {
        let times = {
            let mut graded = self.graded.lock().unwrap();
            let times = graded.entry(job.submission.clone()).or_default();
            *times += 1;
            *times
        };
        let text = fs::read_to_string(&job.solution).unwrap();
        let mut words = text.split_whitespace();
        let lab = lab(job.lab);
        let (who, digest) = (&job.submission, &job.digest);
        let mut report = no_points(&lab, &self.kit, who, digest, Outcome::Graded, String::new());
        match words.next() {
            Some("points") => report.points = words.next().unwrap().parse().unwrap(),
            Some("panic") => panic!("on purpose"),
            Some("host") => return Err(Failure::host("no disk")),
            Some("second") if times == 1 => return Err(Failure::host("the first time")),
            Some("silent") => return Ok(()),
            Some("running") => report.outcome = Outcome::Running,
            Some("cut") => {
                fs::write(&job.report, "{").unwrap();
                return Ok(());
            }
            _ => {}
        }
        report.write(&job.report)
    }
}

fn lab(number: u8) -> Lab {
    let workspace = Workspace::find().unwrap();
    let manifest = Manifest::read(&workspace).unwrap();
    manifest.lab(number).unwrap().clone()
}

struct Course {
    folder: tempfile::TempDir,
    batch: Batch,
}

impl Course {
    fn new(labs: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("handed in");
        fs::create_dir(&from).unwrap();
        let batch = Batch {
            from: From::Each(from),
            labs: labs.to_vec(),
            jobs: 3,
            out: folder.path().join("out"),
            show: Show::Nothing,
            kit: "kit".to_owned(),
        };
        Self { folder, batch }
    }

    fn hand_in(&self, who: &str, file: &str, text: &str) {
        let folder = self.folder.path().join("handed in").join(who);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
    }

    fn grade(&self, pretends: &Pretends) -> Result<run::Outcome, Failure> {
        let workspace = Workspace::find().unwrap();
        let manifest = Manifest::read(&workspace).unwrap();
        batch(&self.batch, &workspace, &manifest, pretends)
    }

    fn report(&self, who: &str, lab: u8) -> Report {
        let file = format!("submissions/{who}/lab-{lab:02}.json");
        Report::read(&self.batch.out.join(file)).unwrap()
    }

    fn written(&self, file: &str) -> String {
        fs::read_to_string(self.batch.out.join(file)).unwrap()
    }
}

const RING: &str = "02-ring.rs";

#[test]
fn one_bad_submission_that_takes_others_with_it() {
    let course = Course::new(&[2]);
    for text in [
        "panic", "host", "silent", "cut", "running", "second", "points 7",
    ] {
        course.hand_in(text.split(' ').next().unwrap(), RING, text);
    }
    course.hand_in("empty", "x", "");
    let pretends = Pretends::new("kit");
    let failure = course.grade(&pretends).unwrap_err();
    assert_eq!(failure.status, Status::Host);
    assert!(failure.message.starts_with("5 could not"), "{failure}");
    for (who, reason) in [
        ("panic", "the kit failed"),
        ("host", "no disk"),
        ("silent", "reading"),
        ("cut", "EOF"),
        ("running", "in the middle"),
    ] {
        let report = course.report(who, 2);
        assert_eq!(report.outcome, Outcome::Infrastructure, "{who}");
        assert!(report.reason.contains(reason), "{who}: {}", report.reason);
        assert_eq!(pretends.times(who), 2, "{who}");
    }
    assert_eq!(course.report("points", 2).points, 7);
    assert_eq!(pretends.times("points"), 1);
    assert_eq!(course.report("second", 2).outcome, Outcome::Graded);
    let empty = course.report("empty", 2);
    assert_eq!(empty.outcome, Outcome::NotGradable);
    assert!(empty.reason.contains("02-ring.rs"), "{}", empty.reason);
}

#[test]
fn a_host_that_cannot_build_leaves_no_reports() {
    let course = Course::new(&[2]);
    course.hand_in("a", RING, "points 1");
    let mut pretends = Pretends::new("kit");
    pretends.prepares = false;
    let failure = course.grade(&pretends).unwrap_err();
    assert_eq!(failure.status, Status::Host);
    assert_eq!(pretends.times("a"), 0);
    let report = course.report("a", 2);
    assert_eq!(report.outcome, Outcome::Infrastructure);
    assert!(report.reason.contains("no compiler"), "{}", report.reason);
}

#[test]
fn what_was_graded_before_graded_again_or_what_changed_not() {
    let course = Course::new(&[2]);
    for who in ["same", "edited", "failed"] {
        course.hand_in(who, RING, "points 3");
    }
    let first = Pretends::new("kit");
    course.grade(&first).unwrap();
    course.hand_in("edited", RING, "points 4");
    let mut failed = course.report("failed", 2);
    failed.outcome = Outcome::Infrastructure;
    failed
        .write(&course.batch.out.join("submissions/failed/lab-02.json"))
        .unwrap();
    let second = Pretends::new("kit");
    course.grade(&second).unwrap();
    let times = ["same", "edited", "failed"].map(|who| second.times(who));
    assert_eq!(times, [0, 1, 1]);
    assert_eq!(course.report("edited", 2).points, 4);
    // Another kit has to look at all of them.
    let mut course = course;
    course.batch.kit = "newer".to_owned();
    let third = Pretends::new("newer");
    course.grade(&third).unwrap();
    let times = ["same", "edited", "failed"].map(|who| third.times(who));
    assert_eq!(times, [1, 1, 1]);
}

#[test]
fn a_lab_that_nobody_asked_for_called_missing() {
    let course = Course::new(&[]);
    course.hand_in("alice", RING, "points 1");
    course.hand_in("alice", "05-answer.rs", "points 2");
    course.hand_in("bob", "notes", "");
    fs::write(course.folder.path().join("handed in/carol.zip"), "no zip").unwrap();
    course.grade(&Pretends::new("kit")).unwrap();
    let table = course.written("summary.csv");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[1].starts_with("alice,2,graded,1,"), "{table}");
    assert!(lines[2].starts_with("alice,5,graded,2,"), "{table}");
    assert!(lines[3].contains("no lab's solution in it"), "{table}");
    assert!(lines[4].contains("the zip archive is damaged"), "{table}");
}

#[test]
fn a_name_that_a_spreadsheet_runs_or_a_terminal_obeys() {
    let course = Course::new(&[2]);
    let names = [
        "=cmd|' calc'!A0",
        "a,\"b\"",
        "\u{1b}[2Jx",
        "-n",
        "@x",
        "\u{202e}txt",
    ];
    for name in names {
        course.hand_in(name, RING, "points 5");
    }
    course.grade(&Pretends::new("kit")).unwrap();
    let table = course.written("summary.csv");
    let mut reader = ::csv::Reader::from_reader(table.as_bytes());
    let read: Vec<String> = reader
        .records()
        .map(|record| record.unwrap()[0].to_owned())
        .collect();
    assert_eq!(read.len(), names.len());
    for name in &read {
        assert!(
            !name.starts_with(['=', '-', '@', '+', '\u{1b}']),
            "{name:?}"
        );
    }
    assert!(read.contains(&"a,\"b\"".to_owned()) && read.contains(&"'-n".to_owned()));
    let json: serde_json::Value = serde_json::from_str(&course.written("summary.json")).unwrap();
    let known: Vec<&str> = json["submissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert!(names.iter().all(|name| known.contains(name)), "{known:?}");
}

#[test]
fn a_summary_whose_numbers_are_wrong() {
    let course = Course::new(&[2]);
    for (who, points) in [("a", 1), ("b", 4), ("c", 4), ("d\u{1b}[2J", 7)] {
        course.hand_in(who, RING, &format!("points {points}"));
    }
    course.hand_in("e", "nothing", "");
    course.grade(&Pretends::new("kit")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&course.written("summary.json")).unwrap();
    let lab = &json["labs"][0];
    assert_eq!(lab["graded"], 4);
    assert_eq!(lab["not_gradable"], 1);
    assert_eq!(lab["mean"], 4.0);
    assert_eq!(lab["median"], 4);
    assert_eq!(
        lab["distribution"],
        serde_json::json!([[1, 1], [4, 2], [7, 1]])
    );
    let workspace = Workspace::find().unwrap();
    let manifest = Manifest::read(&workspace).unwrap();
    let wanted = Wanted::of(&manifest, &[2]).unwrap();
    let places = submissions::list(&course.batch.from).unwrap();
    let taken: Vec<Submission> = places
        .iter()
        .map(|place| Submission::take(place, &course.batch, &manifest, &wanted).unwrap())
        .collect();
    let commons = commons(&workspace, &manifest, &wanted);
    // `take` has written what is not graded, and nothing else.
    let text = Summary::of(&taken, &course.batch, &commons).unwrap().text();
    assert!(!text.replace('\n', "").contains(char::is_control), "{text}");
    for line in [
        "SUBMISSION   LAB 2   POINTS",
        r"d\u{1b}[2J   7/100        7",
        "e           cannot        0",
        "lab 2, Ring: 4 graded, 1 not gradable",
        "mean 4.0, median 4, of 100",
        "    4  ######################################## 2",
        "    7  #################### 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn two_copies_in_a_batch_not_listed() {
    let course = Course::new(&[2]);
    let alice = include_str!("../similarity/fixtures/alice.rs");
    let bob = include_str!("../similarity/fixtures/bob.rs");
    course.hand_in("alice", RING, alice);
    course.hand_in("mallory", RING, &alice.replace("occupied", "used"));
    course.hand_in("bob", RING, bob);
    course.grade(&Pretends::new("kit")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&course.written("summary.json")).unwrap();
    let similar = json["similar"].as_array().unwrap();
    assert_eq!(similar.len(), 1, "{similar:?}");
    assert_eq!(
        (&similar[0]["one"], &similar[0]["other"]),
        (&"alice".into(), &"mallory".into())
    );
}

#[test]
fn two_batches_at_once_in_one_folder() {
    let course = Course::new(&[2]);
    course.hand_in("a", RING, "points 1");
    let held = lock(&course.batch.out, &course.batch.from).unwrap();
    let failure = course.grade(&Pretends::new("kit")).unwrap_err();
    assert_eq!(failure.status, Status::Usage);
    drop(held);
    course.grade(&Pretends::new("kit")).unwrap();
}

#[test]
fn an_empty_or_missing_folder_graded_without_a_word() {
    let course = Course::new(&[2]);
    let failure = course.grade(&Pretends::new("kit")).unwrap_err();
    assert!(failure.message.contains("no submissions"), "{failure}");
    let mut course = course;
    course.batch.from = From::Each("/nowhere".into());
    assert_eq!(
        course.grade(&Pretends::new("kit")).unwrap_err().status,
        Status::Usage
    );
    course.batch.labs = vec![77];
    assert_eq!(
        course.grade(&Pretends::new("kit")).unwrap_err().status,
        Status::Usage
    );
}

#[test]
fn a_single_submission_that_needs_a_folder_of_its_own() {
    let mut course = Course::new(&[2]);
    course.hand_in("alice", RING, "points 6");
    let inner = course.folder.path().join("handed in/alice");
    course.batch.from = From::One(inner);
    course.grade(&Pretends::new("kit")).unwrap();
    assert_eq!(course.report("alice", 2).points, 6);
}
