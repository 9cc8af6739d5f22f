//! Building around a student's file: the compiler is held by the sandbox alone, whatever the rules let pass.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::{KIT, wait_for};
use grader::labs::rig::{NotBuilt, Rig, Shared, Used};
use grader::labs::{Lab, Manifest};
use grader::workspace::Workspace;
use tempfile::TempDir;

const HEAD: &str = "#![no_std]\n#![forbid(unsafe_code)]\nuse lab::five::*;\npub struct Student;\n";
const SECRET: &str = "the-answers-of-all-others";

/// A folder for sources, and a slot that is removed with it.
struct Bench {
    shared: Arc<Shared>,
    lab: Lab,
    folder: TempDir,
    slot: String,
}

impl Bench {
    fn new(slot: &str) -> Bench {
        let workspace = Workspace::find().unwrap();
        let lab = Manifest::read(&workspace).unwrap().lab(5).unwrap().clone();
        Bench {
            shared: Shared::new(&workspace, Path::new(KIT)),
            lab,
            folder: tempfile::tempdir().unwrap(),
            slot: format!("test-{slot}"),
        }
    }

    fn place(&self) -> PathBuf {
        let labs = self.shared.workspace.target.join("labs");
        labs.join(&self.slot)
    }

    fn rig(&self, source: &str) -> Rig {
        let file = self.folder.path().join("mine.rs");
        fs::write(&file, source).unwrap();
        Rig::new(&self.shared, &self.lab, &file, &self.slot).unwrap()
    }

    fn reference(&self) -> String {
        let folder = self.lab.path(&self.shared.workspace);
        fs::read_to_string(folder.join("reference.rs")).unwrap()
    }

    #[track_caller]
    fn refused(&self, source: &str) -> String {
        match self.rig(source).check() {
            Err(NotBuilt::Compiler(said)) => said,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.place());
    }
}

#[test]
fn a_file_that_the_compiler_reads_for_a_solution() {
    let bench = Bench::new("reads");
    let canary = bench.folder.path().join("canary");
    fs::write(&canary, SECRET).unwrap();
    let path = canary.display();
    for source in [
        format!(
            "pub const A: &str = include_str!(\"{path}\");\nconst B: () = panic!(\"{{}}\", A);"
        ),
        format!("include!(\"{path}\");"),
        format!("#[path = \"{path}\"]\nmod secret;"),
        "include!(\"/etc/passwd\");".into(),
    ] {
        let said = bench.refused(&format!("{HEAD}{source}"));
        assert!(!said.contains(SECRET) && !said.contains("root:"), "{said}");
        assert!(said.contains("Permission denied"), "{said}");
    }
    let said = bench.refused(&format!(
        "{HEAD}pub const A: &str = env!(\"CARGO_MANIFEST_DIR\");"
    ));
    assert!(said.contains("not defined"), "{said}");
}

#[test]
fn what_was_built_of_another_source() {
    let bench = Bench::new("another");
    let reference = bench.reference();
    let first = bench.rig(&reference);
    let built = first.explorer().unwrap();
    assert!(first.used().memory > 0);
    let again = bench.rig(&reference);
    assert_eq!(again.explorer().unwrap(), built);
    assert_eq!(again.used(), Used::default(), "it is there already");
    let other = bench.rig(&format!("{reference}\n// changed\n"));
    assert_ne!(other.explorer().unwrap(), built);
    // What a run that was killed has left goes with the next.
    fs::create_dir(bench.place().join("building-killed")).unwrap();
    let third = bench.rig(&format!("{reference}\n// once more\n"));
    third.explorer().unwrap();
    assert!(!bench.place().join("building-killed").exists());
}

#[test]
fn a_killed_build_that_a_later_one_trusts() {
    let bench = Bench::new("killed");
    let work = bench.folder.path().join("mine.rs");
    // It takes until a limit, so it is killed in the middle.
    let long = "const fn f() -> u32 { let mut a = 0u32; loop { a = a.wrapping_add(1); if a == u32::MAX { a = 0 } } }\n\
        pub const A: u32 = f();";
    let head = HEAD.replace("use lab", "#![allow(long_running_const_eval)]\nuse lab");
    fs::write(&work, format!("{head}{long}")).unwrap();
    let labs = bench.shared.workspace.target.join("labs/lab-5");
    let building = || {
        let entries = fs::read_dir(&labs).into_iter().flatten().flatten();
        let mut names = entries.map(|entry| entry.file_name());
        names.find(|name| name.to_string_lossy().starts_with("building-"))
    };
    let check = || {
        let mut command = Command::new(KIT);
        command.args(["labs", "check", "5"]).arg(&work);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    let mut kit = check().spawn().unwrap();
    wait_for("the compiler", building);
    kit.kill().unwrap();
    kit.wait().unwrap();
    assert!(building().is_some(), "it was not killed in the middle");
    fs::write(&work, bench.reference()).unwrap();
    let output = check().output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(building(), None, "what was begun is left");
}

#[test]
fn a_host_without_a_linker_that_is_a_student_s_fault() {
    let bench = Bench::new("host");
    bench.shared.set(grader::labs::rig::Side::Host).unwrap();
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = String::from_utf8(sysroot.unwrap().stdout).unwrap();
    let path = bench.folder.path().join("bin");
    fs::create_dir(&path).unwrap();
    symlink(
        Path::new(sysroot.trim()).join("bin/rustc"),
        path.join("rustc"),
    )
    .unwrap();
    let file = bench.folder.path().join("mine.rs");
    fs::write(&file, bench.reference()).unwrap();
    let output = Command::new(KIT)
        .args(["labs", "check", "5"])
        .arg(&file)
        .env("PATH", &path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("this host does not build"), "{said}");
    assert!(said.contains("linker"), "{said}");
}
