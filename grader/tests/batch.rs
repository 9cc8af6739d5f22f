//! Children of a batch: started, told to end, and never left behind.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use grader::grade::batch::{GradeOne, Job, Spawn, Stop};

const KIT: &str = env!("CARGO_BIN_EXE_kit");
const LONG: Duration = Duration::from_secs(600);

struct Child {
    folder: tempfile::TempDir,
    spawn: Spawn,
}

impl Child {
    /// A child that runs this script, with the folder as `$0`.
    fn new(script: &str, limit: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words = [
            "-c".into(),
            script.into(),
            folder.path().as_os_str().to_owned(),
        ];
        let spawn = Spawn {
            kit: PathBuf::from(KIT),
            program: PathBuf::from("/bin/sh"),
            words: words.to_vec(),
            limit,
        };
        Self { folder, spawn }
    }

    fn job(&self) -> Job {
        Job {
            submission: "-n".to_owned(),
            lab: 2,
            solution: self.folder.path().join("02-ring.rs"),
            digest: String::new(),
            report: self.folder.path().join("report.json"),
        }
    }

    fn written(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.path().join(file)).ok()
    }

    /// The kernel may take a moment to end what was killed.
    #[track_caller]
    fn all_ended(&self) {
        for _ in 0..1000 {
            if !self.lives("outer") && !self.lives("inner") {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("a process is left");
    }

    /// The process whose number the script left in `file`, if it is still there and no zombie.
    fn lives(&self, file: &str) -> bool {
        let number = self.written(file).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", number.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z"))
    }

    #[track_caller]
    fn wait_for(&self, file: &str) {
        for _ in 0..1000 {
            if self.written(file).is_some_and(|text| text.ends_with('\n')) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("the child has not written {file}");
    }
}

/// Writes its and its own child's process numbers, ignores what asks it to end, and stays.
const STUBBORN: &str =
    "trap '' TERM; sleep 1000 & echo $! >$0/inner; echo $$ >$0/outer; wait; wait";

#[test]
fn arguments_that_the_child_does_not_understand() {
    let child = Child::new("shift 0; printf '%s\\n' \"$@\" >$0/words", LONG);
    child.spawn.grade(&child.job(), &Stop::default()).unwrap();
    let words = child.written("words").unwrap();
    let folder = child.folder.path().display();
    let expected =
        format!("{folder}/02-ring.rs\n--lab\n2\n--name=-n\n--report\n{folder}/report.json\n");
    assert_eq!(words, expected);
}

#[test]
fn a_child_that_fails_whose_last_words_are_lost() {
    let child = Child::new("echo out of paper >&2; exit 5", LONG);
    let failure = child
        .spawn
        .grade(&child.job(), &Stop::default())
        .unwrap_err();
    let text = failure.to_string();
    assert!(
        text.contains("exit status: 5") && text.contains("out of paper"),
        "{text}"
    );
}

#[test]
fn a_child_that_never_ends_waited_for() {
    let child = Child::new(STUBBORN, Duration::from_secs(1));
    let failure = child
        .spawn
        .grade(&child.job(), &Stop::default())
        .unwrap_err();
    assert!(failure.message.contains("not within"), "{failure}");
    child.all_ended();
}

#[test]
fn a_child_left_behind_when_the_batch_is_ended() {
    let child = Child::new(STUBBORN, LONG);
    let stop = Stop::default();
    thread::scope(|scope| {
        let graded = scope.spawn(|| child.spawn.grade(&child.job(), &stop));
        child.wait_for("outer");
        assert!(child.lives("outer") && child.lives("inner"));
        stop.set();
        graded.join().unwrap().unwrap();
    });
    child.all_ended();
}

#[test]
fn a_child_that_could_end_in_order_killed_at_once() {
    let script = "trap 'echo whole >$0/report; exit 0' TERM; sleep 1000 & echo $$ >$0/outer; wait";
    let child = Child::new(script, LONG);
    let stop = Stop::default();
    thread::scope(|scope| {
        let graded = scope.spawn(|| child.spawn.grade(&child.job(), &stop));
        child.wait_for("outer");
        stop.set();
        graded.join().unwrap().unwrap();
    });
    assert_eq!(child.written("report").as_deref(), Some("whole\n"));
}
