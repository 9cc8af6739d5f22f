//! The second machine: that the same checks judge what QEMU and Bochs did alike.
//!
//! All of them are run by `cargo run -p grader --example machines`.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::KIT;
use grader::invariants::workspace;
use grader::labs::rig::Shared;
use grader::labs::{Kind, Manifest};
use grader::machines::{
    Case, FAULTS, FAULTS_ELSEWHERE, PAGE, Part, Shown, cases, page, results, run_all, unexplained,
};
use grader::workspace::Workspace;
use shell::fault::Action;

fn shared() -> Arc<Shared> {
    Shared::new(&Workspace::find().unwrap(), Path::new(KIT))
}

/// Runs the cases of these names on both machines, which must show what the page says.
#[track_caller]
fn runs(names: &[&str]) {
    let all = cases().unwrap();
    let written = fs::read_to_string(workspace().join(PAGE)).unwrap();
    let (cases, expected): (Vec<Case>, Vec<_>) = all
        .iter()
        .cloned()
        .zip(results(&all, &written))
        .filter(|(case, _)| names.iter().any(|name| case.name.ends_with(name)))
        .unzip();
    assert_eq!(cases.len(), names.len(), "{names:?}");
    let shown = run_all(&cases, &shared()).unwrap();
    assert!(unexplained(&cases, &shown).is_empty(), "{shown:#?}");
    let shown: Vec<_> = shown.into_iter().map(Some).collect();
    assert_eq!(shown, expected, "{names:?}");
}

#[test]
fn a_verdict_that_depends_on_the_emulator() {
    // One that they agree on, with a broken invariant, and the one that they do not.
    runs(&["I17-range.tlb", "I16-global.tlb"]);
}

#[test]
fn a_fault_whose_verdict_depends_on_the_emulator() {
    runs(&[
        "fault zero skip cpu 0 peer 2 1*",
        "fault send torn to 3 cpu 0 1*",
    ]);
}

#[test]
fn a_solution_graded_otherwise_on_the_second_machine() {
    runs(&["lab 4, kernel", "lab 8, drain"]);
}

#[test]
fn a_row_of_the_fault_table_that_is_not_run() {
    let run: BTreeSet<(String, String)> = FAULTS
        .iter()
        .chain(&FAULTS_ELSEWHERE)
        .map(|(line, _)| {
            let mut words = line.split(' ').map(str::to_owned);
            (words.next().unwrap(), words.next().unwrap())
        })
        .collect();
    let rows = Action::ALL.into_iter().flat_map(|action| {
        let row = move |point: &shootdown::Point| (point.name().into(), action.name().into());
        action.points().iter().map(row)
    });
    assert_eq!(run, rows.collect::<BTreeSet<_>>());
    assert_eq!(run.len(), FAULTS.len() + FAULTS_ELSEWHERE.len());
}

#[test]
fn a_check_in_the_machine_that_is_not_run() {
    let manifest = Manifest::read(&Workspace::find().unwrap()).unwrap();
    let cases = cases().unwrap();
    for lab in &manifest.labs {
        let of = |case: &&Case| case.part == Part::Labs && case.of == format!("lab {}", lab.number);
        assert!(cases.iter().any(|case| of(&case)), "lab {}", lab.number);
        let scripts = lab
            .checks
            .iter()
            .filter(|check| check.kind == Kind::Machine);
        for check in scripts {
            let name = format!("lab {}, {}", lab.number, check.id);
            assert!(cases.iter().any(|case| case.name == name), "{name}");
        }
    }
}

#[test]
fn a_page_that_is_out_of_date() {
    let cases = cases().unwrap();
    let written = fs::read_to_string(workspace().join(PAGE)).unwrap();
    let results = results(&cases, &written);
    let missing: Vec<&str> = cases
        .iter()
        .zip(&results)
        .filter(|(_, result)| result.is_none())
        .map(|(case, _)| case.name.as_str())
        .collect();
    assert!(
        missing.is_empty(),
        "run `cargo run -p grader --example machines`: {missing:?}"
    );
    let shown: Vec<[Shown; 2]> = results.into_iter().flatten().collect();
    let odd = unexplained(&cases, &shown);
    assert!(odd.is_empty(), "machines differ, or no longer: {odd:#?}");
    assert_eq!(page(&cases, &shown), written);
}
