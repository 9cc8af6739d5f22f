//! The formal model: it holds, each of its mutants fails where it should, and runs of the kernel are its
//! behaviours.

mod common;

use std::fs;
use std::process::Command;

use common::KIT;
use evidence::{Key, Timeline, decode};
use grader::machine::Machine;
use grader::model::mutants::{MUTANTS, Mutant, RIGHT, table};
use grader::model::steps::{Replayed, Steps};
use shootdown::Point;

const KEY: Key = Key::from_bytes(*b"a key for tests.");
/// Searching more states takes longer than a second; `kit model` does that.
const SMALL: u64 = 50_000;

fn run(script: &str) -> Timeline {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence");
    let machine = Machine::new(KIT).deterministic().evidence(&file, KEY);
    machine.script(script).unwrap();
    let evidence = decode(&fs::read(&file).unwrap(), Some(&KEY));
    assert!(evidence.is_sound(), "{:?}", evidence.defects);
    Timeline::new(evidence.records)
}

fn replay(timeline: &Timeline, mutant: Option<&str>) -> Replayed {
    let mutant = mutant.map(|name| Mutant::find(name).unwrap());
    Steps::of(timeline).unwrap().replay(mutant).unwrap()
}

/// The CPU and the name of the record that the model could not take.
fn stuck(timeline: &Timeline, mutant: Option<&str>) -> Option<(usize, &'static str)> {
    let record = replay(timeline, mutant).stuck?;
    let record = &timeline.records()[record];
    Some((record.cpu.index(), record.event.name()))
}

#[test]
fn a_right_model_with_an_error_in_it() {
    for settings in RIGHT.iter().filter(|settings| settings.states < SMALL) {
        let checked = settings.check(None).unwrap();
        assert!(
            checked.holds(),
            "{}: {}",
            settings.title(),
            checked.conclusion()
        );
        assert_eq!(checked.states, settings.states, "{}", settings.title());
    }
}

#[test]
fn a_mutant_that_the_model_takes_for_right() {
    for mutant in &MUTANTS {
        // The only one that is searched for seconds.
        if mutant.name == "ZERO_BEFORE_PUBLISH" {
            continue;
        }
        let checked = mutant.check().unwrap();
        let conclusion = checked.conclusion();
        assert!(
            mutant.fails_as_it_should(&checked),
            "{}: {conclusion}",
            mutant.name
        );
    }
}

#[test]
fn a_run_of_the_kernel_that_the_model_has_not() {
    let right =
        run("map 0x400000\nread 0x400000 on others\nremap 0x400000\nread 0x400000 on others\n");
    assert_eq!(stuck(&right, None), None);
    let everyone = run("storm rounds=1\n");
    assert!(everyone.shootdowns().len() >= 4);
    assert_eq!(stuck(&everyone, None), None);
}

#[test]
fn a_wrong_run_taken_for_one_of_the_model_s() {
    let skipping =
        "map 0x400000\nread 0x400000 on others\nfault invalidate skip cpu 2\nremap 0x400000\n";
    let skipping = run(skipping);
    assert_eq!(stuck(&skipping, None), Some((2, "return")));
    // A right run is none of a wrong model's either: its targets do invalidate.
    let right = run("map 0x400000\nread 0x400000 on others\nremap 0x400000\n");
    let (_, name) = stuck(&right, Some("NO_INVALIDATION")).unwrap();
    assert_eq!(name, "invlpg");
    let (_, name) = stuck(&right, Some("ZERO_BEFORE_PUBLISH")).unwrap();
    assert_eq!(name, "publish");
}

#[test]
fn a_tampered_run_taken_for_one_of_the_model_s() {
    let right = run("map 0x400000\nread 0x400000 on others\nremap 0x400000\n");
    let records = right.records();
    let at = records
        .iter()
        .position(|record| record.is(Point::Acknowledge))
        .unwrap();
    let mut without = records.to_vec();
    let gone = without.remove(at);
    let (cpu, _) = stuck(&Timeline::new(without), None).unwrap();
    assert_eq!(cpu, gone.cpu.index());
    let mut other = records.to_vec();
    other[at].b += 1;
    let found = stuck(&Timeline::new(other), None);
    assert_eq!(found, Some((gone.cpu.index(), "acknowledge")));
}

#[test]
fn evidence_with_a_changed_byte_held_against_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence");
    let machine = Machine::new(KIT).deterministic().evidence(&file, KEY);
    machine.script("map 0x400000\nremap 0x400000\n").unwrap();
    let asked = || {
        let output = Command::new(KIT)
            .args(["model", "--trace"])
            .arg(&file)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let (status, said) = asked();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("the run is one of the model's"), "{said}");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (status, said) = asked();
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("the evidence proves nothing"), "{said}");
}

#[test]
fn a_run_that_the_model_cannot_express_taken_for_wrong() {
    let flushes = run("map 0x400000\nread 0x400000 on others\nshoot space\n");
    let said = Steps::of(&flushes).unwrap_err();
    assert!(said.contains("a shootdown is of one page"), "{said}");
    let nothing = run("map 0x400000\n");
    assert!(Steps::of(&nothing).unwrap_err().contains("no shootdown"));
}

#[test]
fn a_table_of_mutants_that_is_another_s() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../slides/model/README.md");
    let text = fs::read_to_string(page).unwrap();
    let table = table();
    assert!(text.contains(&table), "{page} should have:\n{table}");
}
