//! The students' tree: all that they need is in it, and nothing that they must not have.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::KIT;
use grader::handout::{Plan, prove, write};
use grader::labs::Manifest;
use grader::workspace::Workspace;
use press::markdown::references;

/// Writes the tree without its kernels, which take long to build.
fn written(to: &Path) -> (Workspace, Manifest, Plan) {
    let workspace = Workspace::find().unwrap();
    let manifest = Manifest::read(&workspace).unwrap();
    let plan = Plan::new(&workspace, &manifest).unwrap();
    let stand_in = |_: &_, place: &Path| {
        fs::write(place, [0xff]).unwrap();
        Ok(())
    };
    write(&workspace, &manifest, &plan, to, &stand_in).unwrap();
    (workspace, manifest, plan)
}

#[test]
fn a_file_that_students_lack_or_must_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path();
    let (workspace, manifest, plan) = written(to);
    prove(&workspace, &manifest, &plan, to).unwrap();
    for lab in &manifest.labs {
        let lab_folder = to.join("labs").join(&lab.folder);
        let starter = format!("starter.{}", lab.extension());
        for file in ["handout.md", "hints.md", &starter] {
            assert!(
                lab_folder.join(file).is_file(),
                "lab {}: {file}",
                lab.number
            );
        }
        let reference = format!("reference.{}", lab.extension());
        for file in ["instructor.md", "wrong", "hidden", "case.rs", &reference] {
            assert!(
                !lab_folder.join(file).exists(),
                "lab {}: {file}",
                lab.number
            );
        }
    }
    for file in [
        "labs/equivalent.toml",
        "labs/MUTANTS.md",
        "labs/AUTHORING.md",
        "grader/README.md",
        "slides/book/guide.md",
        ".git",
    ] {
        assert!(!to.join(file).exists(), "{file}");
    }

    // What the students' manifest names is there.
    let students = Workspace {
        root: to.to_path_buf(),
        target: workspace.target.clone(),
    };
    let written = Manifest::read(&students).unwrap();
    assert!(written.handout);
    for lab in &written.labs {
        let full = manifest.lab(lab.number).unwrap();
        assert_eq!(lab.points(), full.points(), "lab {}", lab.number);
        for check in &lab.checks {
            assert!(!check.hidden);
            let script = check
                .script
                .as_ref()
                .map(|file| lab.path(&students).join(file));
            let mutant = check.mutant.as_ref().map(|file| to.join("labs").join(file));
            for file in script.into_iter().chain(mutant) {
                assert!(file.is_file(), "{}", file.display());
            }
        }
    }
    assert!(written.labs.iter().any(|lab| lab.elsewhere > 0));
}

#[test]
fn a_page_that_leads_students_to_what_they_do_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path();
    let (_, _, plan) = written(to);
    let pages = plan.published.iter().filter(|place| place.ends_with(".md"));
    let mut links = 0;
    for place in pages {
        let page = to.join(place);
        for link in references(&fs::read_to_string(&page).unwrap()) {
            let file = link.address.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                links += 1;
                let there = page.parent().unwrap().join(file).exists();
                assert!(there, "{place}: {file}");
            }
        }
    }
    assert!(links > 30, "{links}");
}

#[test]
fn a_line_of_a_solution_that_stands_in_the_students_tree() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path();
    let (workspace, manifest, plan) = written(to);
    let line = |file: &str, word: &str| -> String {
        let text = fs::read_to_string(workspace.root.join(file)).unwrap();
        let line = text.lines().find(|line| line.contains(word)).expect(word);
        line.trim().to_owned()
    };
    let reference = "labs/06-who-may-hold-it/reference.rs";
    let script = "labs/05-answer/hidden/seven.tlb";
    let leaks = [
        (
            "labs/06-who-may-hold-it/hints.md",
            line(reference, "spaces.present(me));"),
            reference,
        ),
        ("gdb/README.md", line(script, "initiators=1,3,5"), script),
        (
            "labs/05-answer/handout.md",
            line("labs/manifest.toml", "any number"),
            "labs/manifest.toml",
        ),
        (
            "ARCHITECTURE.md",
            "05-answer/wrong/acknowledge-first.rs".into(),
            "acknowledge-first.rs",
        ),
    ];
    for (file, text, _) in &leaks {
        let before = fs::read_to_string(to.join(file)).unwrap();
        fs::write(to.join(file), format!("{before}\n# so: `{text}`\n")).unwrap();
    }
    let told = prove(&workspace, &manifest, &plan, to).expect_err("four leaks");
    let told = told.to_string();
    for (file, text, from) in leaks {
        let lines = fs::read_to_string(to.join(file)).unwrap().lines().count();
        let expected = format!("{file}:{lines}: holds ");
        let mut said = told.lines().filter(|line| line.contains(&expected));
        assert!(
            said.any(|line| line.contains(from)),
            "{text} in {file}: {told}"
        );
    }
}

#[test]
fn a_handout_that_is_not_written_or_lacks_a_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("students");
    let handout = || {
        let mut command = Command::new(KIT);
        command.arg("handout").arg(&to).output().unwrap()
    };
    let output = handout();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let place = Workspace::find().unwrap().root;
    let place = place.to_str().unwrap();
    let manifest = fs::read_to_string(to.join("labs/manifest.toml")).unwrap();
    let manifest: Manifest = toml::from_str(&manifest).unwrap();
    let mut kernels = 0;
    for lab in &manifest.labs {
        let run = lab.checks.iter().filter_map(|check| check.mutant.clone());
        let case = lab.case.iter();
        let case = case.map(|(file, _)| format!("{}/{file}", lab.folder));
        for kernel in run.chain(case) {
            let bytes = fs::read(to.join("labs").join(&kernel)).expect(&kernel);
            if kernel.ends_with(".elf") {
                assert!(bytes.starts_with(b"\x7fELF"), "{kernel}");
                let given_away = String::from_utf8_lossy(&bytes).contains(place);
                assert!(!given_away, "{kernel} names {place}");
                kernels += 1;
            }
        }
    }
    assert!(kernels >= 9, "{kernels}");

    // Where something is already, nothing is written over it.
    let output = handout();
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("no empty folder"), "{complaint}");
}
