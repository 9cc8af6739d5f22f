//! Writes `grader/MACHINES.md`, what each machine reproduces: `cargo run -p grader --example machines [WORD...]`. With
//! words only the rows whose names have one of them are run, and those without a run of theirs on the page.

use std::env;
use std::error::Error;
use std::fs;

use grader::invariants::workspace;
use grader::labs::rig::Shared;
use grader::machines::{Case, PAGE, cases, page, results, run_all};
use grader::workspace::Workspace;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let cases = cases()?;
    let found = Workspace::find().map_err(|failure| failure.to_string())?;
    let shared = Shared::new(&found, &found.target.join("debug/kit"));
    let path = workspace().join(PAGE);
    let before = results(&cases, &fs::read_to_string(&path).unwrap_or_default());
    let wanted =
        |case: &Case| words.is_empty() || words.iter().any(|word| case.name.contains(word));
    let (mut rows, mut all, mut failed) = (Vec::new(), Vec::new(), 0);
    for (case, result) in cases.iter().zip(before) {
        let one = match result.filter(|_| !wanted(case)) {
            Some(result) => Ok(vec![result]),
            None => run_all(std::slice::from_ref(case), &shared),
        };
        match one {
            Ok(mut one) => {
                rows.push(case.clone());
                all.append(&mut one);
                fs::write(&path, page(&rows, &all))?;
            }
            Err(failure) => {
                eprintln!("{failure}");
                failed += 1;
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} cases have no row").into()),
    }
}
