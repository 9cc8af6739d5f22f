//! Folders and single files.

use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::{fs, path::PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::grade::intake::Solution;

struct Handed(tempfile::TempDir);

impl Handed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("alice")
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn taken(&self) -> Intake {
        taken(&self.path(), LIMITS)
    }
}

#[test]
fn a_solution_deep_in_a_folder_not_found() {
    let handed = Handed::new()
        .file("kit/labs/work/02-ring.rs", TEXT)
        .file("kit/README.md", b"")
        .file("kit/.git/02-ring.rs", b"old")
        .file("kit/target/debug/02-ring.rs", b"older");
    let intake = handed.taken();
    assert_eq!(intake.ring(), TEXT);
    intake.ignores("kit/README.md", "no lab's solution");
    intake.ignores("kit/.git", "never looked into");
    intake.ignores("kit/target", "never looked into");
    let missing = intake.solutions[1].1.as_ref().unwrap_err();
    assert_eq!(
        missing.to_string(),
        "there is no file `08-break-it.tlb` in it"
    );
}

#[test]
fn one_of_two_solutions_taken_at_random() {
    let handed = Handed::new()
        .file("a/02-ring.rs", TEXT)
        .file("b/02-RING.rs", TEXT);
    let told = handed.taken().refusal().to_string();
    assert!(told.contains("`a/02-ring.rs`, `b/02-RING.rs`"), "{told}");
}

#[test]
fn a_misspelled_solution_called_missing() {
    let told = Handed::new()
        .file("02-Ring.rs", TEXT)
        .taken()
        .refusal()
        .to_string();
    assert_eq!(told, "`02-Ring.rs` has to be called `02-ring.rs`");
}

#[test]
fn a_link_followed_out_of_the_submission() {
    let handed = Handed::new().file("x/y", b"");
    symlink("/etc/passwd", handed.path().join("02-ring.rs")).unwrap();
    symlink("/", handed.path().join("root")).unwrap();
    symlink("..", handed.path().join("x/loop")).unwrap();
    let intake = handed.taken();
    assert!(matches!(
        intake.refusal(),
        Refusal::NotAFile(_, "a symbolic link")
    ));
    intake.ignores("root", "a symbolic link");
    intake.ignores("x/loop", "a symbolic link");
    // The submission itself, too.
    let whole = handed.0.path().join("bob");
    symlink(handed.path(), &whole).unwrap();
    assert!(matches!(
        taken(&whole, LIMITS).refusal(),
        Refusal::NotAFile(_, "a symbolic link")
    ));
}

#[test]
fn a_pipe_or_socket_opened_and_waited_for() {
    let handed = Handed::new().file("x", b"");
    let fifo = handed.path().join("02-ring.rs");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = UnixListener::bind(handed.path().join("08-break-it.tlb")).unwrap();
    let intake = handed.taken();
    assert!(matches!(intake.refusal(), Refusal::NotAFile(_, "a pipe")));
    let other = intake.solutions[1].1.as_ref().unwrap_err();
    assert!(matches!(other, Refusal::NotAFile(_, "a socket")));
    assert!(matches!(
        taken(&fifo, LIMITS).refusal(),
        Refusal::NotAFile(_, "a pipe")
    ));
}

#[test]
fn a_folder_called_as_a_solution_taken_for_one() {
    let intake = Handed::new().file("02-ring.rs/x", TEXT).taken();
    assert!(matches!(intake.refusal(), Refusal::NotAFile(_, "a folder")));
}

#[test]
fn a_tree_that_is_too_large_read_to_its_end() {
    let mut handed = Handed::new().file("02-ring.rs", TEXT);
    for index in 0..40 {
        handed = handed.file(&format!("{}/x", index % 20), b"");
    }
    let limits = Limits {
        entries: 30,
        ..LIMITS
    };
    assert_eq!(
        taken(&handed.path(), limits).refusal(),
        &Refusal::Entries(30)
    );
    let limits = Limits { depth: 3, ..LIMITS };
    let handed = Handed::new().file("a/b/c/d/e/02-ring.rs", TEXT);
    assert_eq!(taken(&handed.path(), limits).refusal(), &Refusal::Depth(3));
    let long = vec![b' '; (LIMITS.file + 1) as usize];
    let handed = Handed::new().file("02-ring.rs", &long);
    assert!(matches!(handed.taken().refusal(), Refusal::File(_, most) if *most == LIMITS.file));
    // A terabyte of nothing.
    let file = fs::OpenOptions::new()
        .write(true)
        .mode(0o600)
        .open(handed.path().join(RING));
    file.unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(handed.taken().refusal(), Refusal::File(..)));
}

#[test]
fn a_long_list_of_ignored_files_cut_without_a_word() {
    let mut handed = Handed::new().file("02-ring.rs", TEXT);
    for index in 0..60 {
        handed = handed.file(&format!("{index}.txt"), b"");
    }
    let intake = handed.taken();
    assert_eq!((intake.ignored.len(), intake.unlisted), (50, 10));
    assert_eq!(intake.ring(), TEXT);
}

#[test]
fn a_single_file_with_a_platform_s_prefix_not_recognised() {
    for name in ["02-ring.rs", "alice_17_02-ring.rs"] {
        assert_eq!(archived(name, TEXT).ring(), TEXT, "{name}");
    }
    archived("solution.rs", TEXT).ignores("solution.rs", "no lab's solution");
    // With one lab asked for there is no doubt.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("solution.rs");
    fs::write(&path, TEXT).unwrap();
    let intake = read(&path, &wanted()[..1], LIMITS).unwrap();
    assert_eq!(intake.ring(), TEXT);
    assert!(matches!(
        archived("x.tlb", TEXT).refusal(),
        Refusal::Missing(_)
    ));
}

#[test]
fn a_stored_solution_others_can_read_or_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, outside) = (folder.path().join("a/b"), folder.path().join("outside"));
    let solution = Solution {
        bytes: TEXT.to_vec(),
        from: RING.to_owned(),
    };
    let path = solution.store(&inner, RING).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&path)), (0o700, 0o600));
    fs::remove_file(&path).unwrap();
    fs::write(&outside, b"mine").unwrap();
    symlink(&outside, &path).unwrap();
    solution.store(&inner, RING).unwrap();
    assert_eq!(fs::read(&outside).unwrap(), b"mine");
    assert_eq!(fs::read(&path).unwrap(), TEXT);
}
