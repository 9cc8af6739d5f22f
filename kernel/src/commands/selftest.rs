//! `selftest`: tests of the machine, run in it.

use crate::console;
use crate::selftest::{TESTS, Test, Unmet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use shell::Failure;
use shell::commands::args;
use shell::report::{Output, Style, Table, Value};

/// The tests' names, for the shell.
pub fn names() -> Vec<String> {
    TESTS.iter().map(|test| test.name.to_string()).collect()
}

/// `selftest`
pub fn selftest(args: &args::Selftest, output: &mut Output<'_>) -> Result<(), Failure> {
    let chosen = |test: &&Test| args.name.as_deref().is_none_or(|name| name == test.name);
    let mut table = Table::new(["test", "result", "what_it_shows"]);
    let (mut passed, mut skipped, mut failed) = (0_u64, 0_u64, Vec::new());
    for test in TESTS.iter().filter(chosen) {
        if console::interrupted() {
            break;
        }
        let result = match test.run() {
            Ok(()) => {
                passed += 1;
                Value::from("passed").styled(Style::Good)
            }
            Err(Unmet::Skipped(why)) => {
                skipped += 1;
                Value::from(why).styled(Style::Dim)
            }
            Err(Unmet::Failed(why)) => {
                failed.push((test.name, why));
                Value::from("FAILED").styled(Style::Bad)
            }
        };
        table.row([test.name.into(), result, test.shows.into()]);
    }
    output.table("tests", table);
    output.field("passed", passed);
    output.field("skipped", skipped);
    output.field("failed", failed.len());
    for (name, why) in &failed {
        output.styled_note(Style::Bad, format_args!("{name}: {why}"));
    }
    match failed.first() {
        Some((name, why)) => Err(Failure::new(format_args!(
            "{} of the tests failed; the first: {name}: {why}",
            failed.len()
        ))),
        None if console::interrupted() => {
            Err(Failure::new("ended by Ctrl-C before all tests had run"))
        }
        None => Ok(()),
    }
}
