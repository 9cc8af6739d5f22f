//! The students' manifest: without hidden checks and wrong solutions, and with nothing of theirs to read.

use toml::{Table, Value};

use super::kernels::Prebuilt;
use crate::labs::{Check, Kind, Lab, Manifest, answer};

/// What it begins with.
const HEAD: &str = "# The labs and their checks, as `cargo kit handout` wrote them. Your instructor's tree has more of them.\n\n";

/// The students' manifest: `text` without what they do not get. `kernels` are those that stand for solutions.
///
/// # Errors
/// What is wrong with the text.
pub fn students(text: &str, manifest: &Manifest, kernels: &[Prebuilt]) -> Result<String, String> {
    let mut table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    table.insert("handout".into(), Value::Boolean(true));
    for (lab, entry) in manifest.labs.iter().zip(tables(&mut table, "lab")) {
        entry.remove("wrong");
        let mut checks: Vec<Value> = Vec::new();
        for (check, mut value) in lab.checks.iter().zip(taken(entry, "check")) {
            if let (false, Some(check_entry)) = (check.hidden, value.as_table_mut()) {
                publish(check, check_entry, kernels);
                checks.push(value);
            }
        }
        entry.insert("elsewhere".into(), Value::Integer(elsewhere(lab).into()));
        if let Some(kernel) = kernels.iter().find(|kernel| kernel.is_case_of(lab)) {
            let of = lab.case.as_ref().map_or(0, |(_, of)| *of);
            let case = vec![
                Value::String(kernel.file.clone()),
                Value::Integer(of.into()),
            ];
            entry.insert("case".into(), Value::Array(case));
        }
        entry.insert("check".into(), Value::Array(checks));
    }
    let text = toml::to_string(&table).map_err(|error| error.to_string())?;
    Ok(format!("{HEAD}{text}"))
}

fn elsewhere(lab: &Lab) -> u32 {
    let hidden = lab.checks.iter().filter(|check| check.hidden);
    hidden.map(|check| check.weight).sum()
}

fn publish(check: &Check, entry: &mut Table, kernels: &[Prebuilt]) {
    if let (Kind::Answer, Some(right)) = (check.kind, &check.is) {
        entry.insert("is".into(), Value::String(answer::digest(right)));
    }
    if let Some(kernel) = kernels.iter().find(|kernel| kernel.stands_for(check)) {
        let place = format!("{}/{}", kernel.folder, kernel.file);
        entry.insert("mutant".into(), Value::String(place));
    }
}

/// The tables of an array of them.
fn tables<'t>(table: &'t mut Table, name: &str) -> impl Iterator<Item = &'t mut Table> {
    let array = table.get_mut(name).and_then(Value::as_array_mut);
    array.into_iter().flatten().filter_map(Value::as_table_mut)
}

/// An array, taken out.
fn taken(table: &mut Table, name: &str) -> Vec<Value> {
    match table.remove(name) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handout::kernels::needed;

    const TEXT: &str = r#"
[[lab]]
number = 9
folder = "09-x"
title = "X"
summary = "x"
case = ["trouble.rs", 7]
minutes = 1

[[lab.check]]
id = "cpu"
kind = "answer"
answer = "cpu"
is = "2"
weight = 60
what = "which CPU"
why = "y"
hint = "h"

[[lab.check]]
id = "happens"
kind = "kills"
mutant = "09-x/trouble.rs"
of = 7
weight = 30
what = "it happens"
why = "y"
hint = "h"

[[lab.check]]
id = "secret"
kind = "answer"
answer = "page"
is = "0x1234"
hidden = true
weight = 10
what = "a surprise"
why = "y"
hint = "h"

[[lab.wrong]]
file = "wrong/blunder.tlb"
check = "cpu"
says = "not"
"#;

    #[test]
    fn a_hidden_check_an_answer_or_a_wrong_solution_that_students_read() {
        let manifest: Manifest = toml::from_str(TEXT).unwrap();
        let kernels = needed(&manifest, |_| false);
        let text = students(TEXT, &manifest, &kernels).unwrap();
        for secret in [
            "secret",
            "surprise",
            "0x1234",
            "blunder",
            "trouble.rs",
            "\"2\"",
        ] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        let written: Manifest = toml::from_str(&text).unwrap();
        let lab = &written.labs[0];
        assert!(written.handout && lab.wrongs.is_empty());
        assert_eq!((lab.points(), lab.elsewhere), (100, 10));
        assert_eq!(lab.case, Some(("case.elf".into(), 7)));
        assert_eq!(lab.checks[1].mutant.as_deref(), Some("09-x/case.elf"));
        let right = lab.checks[0].is.as_deref().unwrap();
        assert!(answer::is_right("0x2", right) && !answer::is_right("3", right));
        assert!(!answer::is_right(right, right), "its digest is no answer");
    }
}
