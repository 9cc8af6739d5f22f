//! The labs: right solutions pass, wrong ones fail for the reason that the manifest names.

mod common;

use std::fs;
use std::process::{Command, Output};

use common::KIT;
use grader::labs::Manifest;
use grader::workspace::Workspace;

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
        first["seen"].as_str().unwrap().contains("line 3: a static"),
        "{first}"
    );
    let second: serde_json::Value = serde_json::from_str(said.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["outcome"], "skipped", "{second}");
}
