//! The labs: right solutions pass, wrong ones fail for the reason that the manifest names.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::KIT;
use grader::labs::rig::Shared;
use grader::labs::rules::examine;
use grader::labs::{Manifest, WORK};
use grader::workspace::Workspace;

#[test]
fn a_solution_of_the_kit_s_own_that_is_refused() {
    let workspace = Workspace::find().unwrap();
    let shared = Shared::new(&workspace, Path::new(KIT));
    let mut folders = vec![workspace.root.join("labs")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !["lab", "rig", "work"].contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(".rs") {
                seen += 1;
                let broken = examine(&shared, &fs::read(&path).unwrap()).unwrap();
                let broken: Vec<String> = broken.iter().map(ToString::to_string).collect();
                assert!(broken.is_empty(), "{}: {broken:?}", path.display());
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

fn kit(words: &[&str]) -> Output {
    Command::new(KIT).args(words).output().unwrap()
}

#[track_caller]
fn verifies(number: &str) {
    let output = kit(&["labs", "verify", number]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{complaint}");
}

#[test]
fn a_solution_of_a_lab_that_is_judged_wrong() {
    let workspace = Workspace::find().unwrap();
    for lab in Manifest::read(&workspace).unwrap().labs {
        verifies(&lab.number.to_string());
    }
}

#[test]
fn a_lab_without_its_pages() {
    let workspace = Workspace::find().unwrap();
    for lab in Manifest::read(&workspace).unwrap().labs {
        let folder = lab.path(&workspace);
        for (file, word) in [
            ("handout.md", "## What to do"),
            ("hints.md", "\n## "),
            ("instructor.md", "Common mistakes"),
        ] {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(text.contains(word), "lab {}: {file}", lab.number);
        }
        let named: Vec<String> = lab.wrongs.iter().map(|wrong| wrong.file.clone()).collect();
        for entry in fs::read_dir(folder.join("wrong")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                named.contains(&format!("wrong/{name}")),
                "lab {}: nothing says what {name} fails",
                lab.number
            );
        }
    }
}

#[test]
fn a_solution_that_does_not_compile_or_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.rs");
    let path = file.to_str().unwrap();
    let check = |words: &[&str]| {
        let output = kit(&[&["labs", "check", "5", path][..], words].concat());
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    assert_eq!(check(&[]).0, Some(2), "there is no such file");
    fs::write(
        &file,
        "#![no_std]\n#![forbid(unsafe_code)]\nfn f() -> u32 { true }\n",
    )
    .unwrap();
    let (status, said) = check(&[]);
    assert_eq!(status, Some(1));
    assert!(said.contains("mine.rs:3"), "the line is named: {said}");
    assert!(said.contains("mismatched types"), "{said}");
    fs::write(
        &file,
        "#![no_std]\n#![forbid(unsafe_code)]\nstatic A: u32 = 0;\n",
    )
    .unwrap();
    let (status, said) = check(&["--json"]);
    assert_eq!(status, Some(1));
    let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(first["check"], "rules");
    assert_eq!(first["outcome"], "failed");
    assert!(
        first["seen"].as_str().unwrap().contains("line 3: `static`"),
        "{first}"
    );
    let second: serde_json::Value = serde_json::from_str(said.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["outcome"], "skipped", "{second}");
}

/// `kit labs` for a student whose copies are in `work`: the status, and all that is said.
fn student(work: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(KIT)
        .arg("labs")
        .args(words)
        .env(WORK, work)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_student_s_work_or_progress_that_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    let workspace = Workspace::find().unwrap();
    let manifest = Manifest::read(&workspace).unwrap();
    let lab = manifest.lab(1).unwrap();
    let reference = lab.path(&workspace).join("reference.tlb");
    let copy = work.join("01-see-it.tlb");

    let (status, said) = student(&work, &["check", "1"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("cargo kit labs start 1"), "{said}");
    assert_eq!(student(&work, &["start", "1"]).0, Some(0));
    assert_eq!(
        fs::read(&copy).unwrap(),
        fs::read(lab.path(&workspace).join("starter.tlb")).unwrap()
    );

    let (status, said) = student(&work, &["check", "1"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("10 of 100 points"), "{said}");
    let (status, said) = student(&work, &["solution", "1"]);
    assert_eq!(status, Some(1), "not before it has passed: {said}");
    let (_, first) = student(&work, &["hint", "1"]);
    let (_, second) = student(&work, &["hint", "1"]);
    assert!(first.starts_with("hint 1 of ") && second.starts_with("hint 2 of "));

    fs::copy(&reference, &copy).unwrap();
    let (status, said) = student(&work, &["start", "1"]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&reference).unwrap());
    let (status, said) = student(&work, &["check", "1"]);
    assert_eq!(status, Some(0), "{said}");
    let (_, list) = student(&work, &[]);
    assert!(
        list.lines().next().unwrap().contains("passed"),
        "the first line is lab 1's: {list}"
    );
    let (status, said) = student(&work, &["solution", "1"]);
    assert_eq!(status, Some(0));
    assert_eq!(said.as_bytes(), fs::read(&reference).unwrap());

    assert_eq!(student(&work, &["reset", "1"]).0, Some(0));
    let kept = work.join("01-see-it.1.tlb");
    assert_eq!(fs::read(kept).unwrap(), fs::read(&reference).unwrap());
    assert_ne!(fs::read(&copy).unwrap(), fs::read(&reference).unwrap());

    // Progress that cannot be read is not written over.
    let progress = work.join("progress.toml");
    fs::write(&progress, "not = [toml").unwrap();
    let (status, said) = student(&work, &["hint", "1"]);
    assert_eq!(status, Some(5), "{said}");
    assert!(said.contains("progress.toml"), "{said}");
    assert_eq!(fs::read_to_string(&progress).unwrap(), "not = [toml");
    let (status, said) = student(&work, &["check", "77"]);
    assert_eq!(status, Some(2), "{said}");
}
