//! Mutants of the references: what came of them is told, and nothing that is told of them is out of date.

mod common;

use std::process::Command;

use common::KIT;
use grader::labs::Manifest;
use grader::mutate::digest;
use grader::mutate::equivalent::Equivalents;
use grader::mutate::page::{self, Page};
use grader::mutate::report::{Left, Report};
use grader::mutate::run::{Verdict, mutants};
use grader::workspace::Workspace;

fn tree() -> (Workspace, Manifest) {
    let workspace = Workspace::find().unwrap();
    let manifest = Manifest::read(&workspace).unwrap();
    (workspace, manifest)
}

#[test]
fn a_page_of_mutants_that_was_made_for_other_references_or_checks() {
    let (workspace, manifest) = tree();
    let page = std::fs::read_to_string(page::path(&workspace)).unwrap();
    let page = Page::read(&page);
    let table = Equivalents::read(&workspace, &manifest).unwrap();
    let rust = manifest.labs.iter().filter(|lab| lab.module.is_some());
    for lab in rust {
        let number = lab.number;
        let now = digest::lab(&workspace, lab).unwrap();
        assert_eq!(
            page.digest(number),
            Some(&*now),
            "lab {number} has changed: cargo kit labs mutate {number} --page"
        );
        let (original, all) = mutants(&workspace, lab).unwrap();
        let named = all.iter().filter_map(|mutant| {
            let entry = table.find(lab, mutant)?;
            Some(Left::new(&original, mutant, Some(entry)))
        });
        let right_too: Vec<Left> = named.collect();
        assert_eq!(
            page.right_too(number),
            Some(&*page::items(&right_too)),
            "lab {number}: equivalent.toml has changed"
        );
        let counts = page.counts(number).unwrap();
        let [made, not_viable, caught, right, survive] = counts[..] else {
            panic!("lab {number}: {counts:?}");
        };
        assert_eq!((made, right), (all.len(), right_too.len()), "lab {number}");
        assert_eq!(made, not_viable + caught + right + survive, "lab {number}");
        assert_eq!(survive, 0, "lab {number}");
    }
}

#[test]
fn an_entry_for_a_mutant_that_there_is_not() {
    let (workspace, manifest) = tree();
    let table = Equivalents::read(&workspace, &manifest).unwrap();
    for lab in &manifest.labs {
        let (_, all) = mutants(&workspace, lab).unwrap();
        assert_eq!(table.stale(lab, &all), Vec::<String>::new());
    }
    let lab = manifest.lab(5).unwrap();
    let (original, all) = mutants(&workspace, lab).unwrap();
    let entry = |was: &str, reason: &str| {
        Equivalents::parse(&format!(
            "[[equivalent]]\nlab = 5\noperator = \"drop-statement\"\nwas = \"{was}\"\nreason = \"{reason}\"\n"
        ))
    };
    let stale = entry("m.invalidate(&nothing);", "none").unwrap();
    assert_eq!(stale.stale(lab, &all).len(), 1, "there is no such line");
    assert!(entry("m.invalidate(&request);", " ").is_err(), "no reason");

    // Nor one for a mutant that fails.
    let table = entry("m.invalidate(&request);", "it is not needed").unwrap();
    assert!(table.stale(lab, &all).is_empty());
    let dropped = all
        .iter()
        .find(|mutant| mutant.was == "m.invalidate(&request);" && mutant.becomes.is_empty())
        .unwrap();
    let caught = [(dropped, Verdict::Caught("one".into()))];
    let report = Report::new(lab, &original, &table, &all, &caught);
    assert_eq!(report.stale.len(), 1, "{report:?}");
    assert!(report.stale[0].contains("fails `one`"), "{report:?}");
    let survived = [(dropped, Verdict::Survived)];
    let report = Report::new(lab, &original, &table, &all, &survived);
    assert_eq!((report.equivalent.len(), report.survivors.len()), (1, 0));
    let report = Report::new(lab, &original, &Equivalents::default(), &all, &survived);
    assert_eq!((report.equivalent.len(), report.survivors.len()), (0, 1));
}

#[test]
fn a_mutant_that_is_said_to_be_what_it_is_not() {
    let words = [
        "labs", "mutate", "5", "--sample", "5", "--seed", "3", "--json",
    ];
    let output = Command::new(KIT).args(words).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: serde_json::Value = serde_json::from_str(&said).expect(&complaint);
    let count = |name: &str| report[name].as_u64().unwrap();
    let listed = |name: &str| report[name].as_array().unwrap().len() as u64;
    let caught = report["caught"].as_object().unwrap();
    let caught: u64 = caught.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(count("generated"), 5);
    let sum = count("not_viable") + caught + listed("equivalent") + listed("survivors");
    assert_eq!(sum, 5, "{report}");
    assert!(caught >= 1 && count("not_viable") >= 1, "{report}");
    assert_eq!(
        output.status.success(),
        listed("survivors") == 0,
        "{report}"
    );
}
