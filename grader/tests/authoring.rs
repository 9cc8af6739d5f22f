//! An instructor's additions, as labs/AUTHORING.md tells them: each is followed at once by what does not separate right
//! from wrong, or by its separating them.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::KIT;
use grader::workspace::Workspace;

/// The page's commands, each with what is shown of what they say.
fn walk(page: &str) -> Vec<(String, Vec<String>)> {
    let block = |text: &str, kind: &str| -> Option<String> {
        let rest = text.split_once(&format!("```{kind}\n"))?.1;
        Some(rest.split_once("\n```")?.0.to_owned())
    };
    page.split("```sh\n")
        .skip(1)
        .map(|rest| {
            let (commands, after) = rest.split_once("\n```").expect("a block ends");
            let shown = block(after, "text").expect("something is shown of each");
            let lines = shown.lines().map(str::to_owned).collect();
            (commands.to_owned(), lines)
        })
        .collect()
}

/// Copies a folder, students' own files left out.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        if entry.file_name() == "work" {
            continue;
        }
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn an_addition_that_separates_nothing_and_is_not_told_so() {
    let workspace = Workspace::find().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let labs = folder.path().join("labs");
    copy(&workspace.root.join("labs"), &labs);
    let page = fs::read_to_string(labs.join("AUTHORING.md")).unwrap();
    let walk = walk(&page);
    assert!(walk.len() >= 8, "{} steps", walk.len());
    let (mut right, mut wrong) = (0, 0);
    for (commands, shown) in walk {
        let script = format!("set -e\ncargo() {{ shift; \"$KIT\" \"$@\"; }}\n{commands}\n");
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path())
            .env("KIT", KIT)
            .env("KIT_LABS", &labs)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        for line in &shown {
            assert!(
                said.contains(line),
                "`{line}` was expected of\n{commands}\n\n{said}"
            );
        }
        let refused = said.contains("kit: ");
        assert_eq!(output.status.success(), !refused, "{said}");
        if refused {
            wrong += 1;
        } else {
            right += 1;
        }
    }
    assert!(right >= 4 && wrong >= 4, "{right} right, {wrong} wrong");
}

#[test]
fn a_folder_of_a_lab_that_nobody_listed() {
    let workspace = Workspace::find().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let labs = folder.path().join("labs");
    copy(&workspace.root.join("labs"), &labs);
    fs::create_dir(labs.join("12-lost")).unwrap();
    fs::write(labs.join("12-lost/handout.md"), "# Lost\n").unwrap();
    let output = Command::new(KIT)
        .args(["labs", "verify"])
        .env("KIT_LABS", &labs)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.contains("labs/12-lost is there, and no `[[lab]]`"),
        "{said}"
    );
}

#[test]
fn labs_elsewhere_that_grading_or_a_handout_takes_for_the_kit_s() {
    for words in [
        &["handout", "/nowhere"][..],
        &["grade", "--lab", "5", "/nowhere"],
    ] {
        let output = Command::new(KIT)
            .args(words)
            .env("KIT_LABS", "/nowhere")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(said.contains("KIT_LABS"), "{words:?}: {said}");
    }
}
