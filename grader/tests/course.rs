//! A course's worth of submissions, good, bad and hostile, graded by the real grader, interrupted, and gone on with.

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{KIT, Running, alive, signal, wait_for};
use grader::grade::report::{Outcome, Report};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const RING: &str = "02-ring.rs";
const ALICE: &str = include_str!("course/alice.rs");
const SPINS: &str = include_str!("course/spins.rs");
const ODD: &str = "-o \u{1b}[31mdd=";
/// Who submitted, the outcome, the points, and what is said of why.
const EXPECTED: [(&str, Outcome, u32, &str); 11] = [
    (ODD, Outcome::Graded, 25, "ring"),
    ("alice", Outcome::Graded, 100, ""),
    ("bomb.zip", Outcome::NotGradable, 0, "longer than"),
    (
        "broken",
        Outcome::NotGradable,
        0,
        "the compiler says: error",
    ),
    ("dots.zip", Outcome::NotGradable, 0, "`..`"),
    ("empty", Outcome::NotGradable, 0, "no file"),
    ("link", Outcome::NotGradable, 0, "symbolic link"),
    ("mallory.zip", Outcome::Graded, 100, ""),
    ("right.tar", Outcome::Graded, 100, ""),
    ("spins", Outcome::Graded, 5, "ring"),
    ("wrong.zip", Outcome::Graded, 90, "shorthand"),
];

struct Course(TempDir);

impl Course {
    fn new() -> Self {
        let course = Self(tempfile::tempdir().unwrap());
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("../labs/02-ring");
        let of_lab = |name: &str| fs::read_to_string(lab.join(name)).unwrap();
        let folder = |who: &str, text: &str| {
            let folder = course.0.path().join("in").join(who);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(RING), text).unwrap();
        };
        folder("alice", ALICE);
        let broken = of_lab("reference.rs") + "fn count() -> u32 { true }\n";
        folder("broken", &broken);
        folder("spins", SPINS);
        folder(ODD, &of_lab("wrong/cpu-number.rs"));
        let place = |name: &str| course.0.path().join("in").join(name);
        fs::create_dir(place("empty")).unwrap();
        fs::create_dir(place("link")).unwrap();
        symlink("/etc/hostname", place("link").join(RING)).unwrap();
        let mut tar = tar::Builder::new(File::create(place("right.tar")).unwrap());
        tar.append_path_with_name(lab.join("reference.rs"), format!("work/{RING}"))
            .unwrap();
        tar.finish().unwrap();
        zipped(&place("wrong.zip"), RING, &of_lab("wrong/one-by-one.rs"));
        zipped(&place("dots.zip"), "../02-ring.rs", ALICE);
        zipped(&place("bomb.zip"), RING, &" ".repeat(64 << 20));
        zipped(&place("mallory.zip"), RING, &disguised(ALICE));
        course
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn report_file(&self, who: &str) -> PathBuf {
        let submissions = self.out().join("submissions");
        let found = fs::read_dir(submissions).into_iter().flatten().flatten();
        let mut places = found.map(|entry| entry.path().join("lab-02.json"));
        let theirs = |path: &PathBuf| Report::read(path).is_ok_and(|found| found.submission == who);
        places.find(theirs).unwrap_or_default()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(KIT);
        command
            .args(["grade", "--lab", "2", "-j", "2", "--batch"])
            .arg(self.0.path().join("in"))
            .arg("--out")
            .arg(self.out())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn zipped(place: &Path, name: &str, text: &str) {
    let mut zip = ZipWriter::new(File::create(place).unwrap());
    zip.start_file(name, SimpleFileOptions::default()).unwrap();
    zip.write_all(text.as_bytes()).unwrap();
    zip.finish().unwrap();
}

/// The same solution with other names and another layout.
fn disguised(text: &str) -> String {
    let names = [
        ("order(", "post("),
        ("order<", "post<"),
        ("others", "rest"),
        ("everybody", "all"),
        ("sent", "done"),
        ("target", "victim"),
        ("destination", "whither"),
        ("were_on", "before"),
        ("free", "ready"),
        ("Alice", "Mallory"),
    ];
    let renamed = names
        .iter()
        .fold(text.to_owned(), |text, (old, new)| text.replace(old, new));
    renamed.replace(";\n", ";\n\n    // mine\n")
}

/// All processes that `root` has started, and those that they have.
fn descendants(root: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let rest = stat.rsplit(')').next().unwrap_or_default();
            let parent = rest
                .split_whitespace()
                .nth(1)
                .and_then(|word| word.parse().ok());
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let (Some(parent), Some(number)) = (parent, number)
                && found.contains(&parent)
            {
                found.insert(number);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

#[test]
fn a_course_in_which_one_submission_costs_another_its_grade() {
    let course = Course::new();
    let mut child = Running(course.command().spawn().unwrap());
    // The first build of what all share may take minutes.
    let alice = loop {
        assert!(child.0.try_wait().unwrap().is_none(), "it is over");
        match Report::read(&course.report_file("alice")) {
            Ok(report) if report.outcome == Outcome::Graded => break report,
            _ => thread::sleep(Duration::from_millis(20)),
        }
    };
    // Ctrl-C, with others under way.
    let started = wait_for("the next submissions", || {
        let started = descendants(child.0.id());
        (started.len() >= 3).then_some(started)
    });
    signal(&child.0, Signal::INT);
    assert_eq!(child.status(), Some(130));
    wait_for("everything's end", || {
        started.iter().all(|process| !alive(*process)).then_some(())
    });
    assert!(!course.out().join("summary.csv").exists());
    let mut marked = alice;
    // What is finished is kept: else this mark would be gone.
    marked.checks[1].looked = "a mark".to_owned();
    marked.write(&course.report_file("alice")).unwrap();

    let output = course.command().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("graded before"), "{said}");
    assert_eq!(Report::read(&course.report_file("alice")).unwrap(), marked);
    let text = fs::read_to_string(course.out().join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&text).unwrap();
    let rows = summary["submissions"].as_array().unwrap();
    assert_eq!(rows.len(), EXPECTED.len(), "{summary:#}");
    for (row, (who, outcome, points, why)) in rows.iter().zip(EXPECTED) {
        let lab = &row["labs"][0];
        let expected = serde_json::json!([who, outcome, points]);
        let found = serde_json::json!([row["name"], lab["outcome"], lab["points"]]);
        assert_eq!(found, expected, "{row:#}");
        assert!(lab["why"].as_str().unwrap().contains(why), "{row:#}");
    }
    let near: Vec<_> = summary["similar"].as_array().unwrap().iter().collect();
    assert_eq!(near.len(), 1, "{near:#?}");
    assert_eq!(
        (near[0]["one"].as_str(), near[0]["other"].as_str()),
        (Some("alice"), Some("mallory.zip"))
    );
    let table = fs::read_to_string(course.out().join("summary.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + EXPECTED.len(), "{table}");
    let table = String::from_utf8(output.stdout).unwrap();
    for line in [
        "right.tar",
        "6 graded, 5 not gradable",
        "mean 70.0, median 100",
    ] {
        assert!(table.contains(line), "{line}: {table}");
    }
    assert!(!table.contains('\u{1b}'), "{table}");
}
