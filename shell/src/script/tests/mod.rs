//! The language, on the fake system.

mod blocks;
mod expressions;
mod hostile;
mod observations;
mod order;
mod prompt;

use super::{ScriptOutcome, run_script};
use crate::fake::{FakeSystem, PLAIN};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Runs a script: how it ended, the lines that reached the system, and what was shown.
pub fn run(text: &[u8]) -> (ScriptOutcome, Vec<String>, String) {
    let (mut system, mut sink) = (FakeSystem::new(), Vec::new());
    let outcome = run_script(text, &mut system, &mut sink, PLAIN);
    let lines = system.lines().iter().map(ToString::to_string).collect();
    let shown = String::from_utf8(sink).expect("the shell writes UTF-8");
    (outcome, lines, shown)
}

/// Runs a script that must pass; what was shown.
#[track_caller]
pub fn passes(text: &str) -> String {
    let (outcome, _, shown) = run(text.as_bytes());
    assert!(outcome.passed(), "{text}\n{shown}\n{outcome:?}");
    shown
}

/// Runs a script that must stop at `line` after some of it was run; what was shown.
#[track_caller]
pub fn stops_at(line: usize, text: &str) -> String {
    let (outcome, _, shown) = run(text.as_bytes());
    let stopped = outcome.stopped.unwrap_or_else(|| panic!("{text}\n{shown}"));
    assert_eq!(stopped.line, line, "{text}\n{shown}");
    assert!(shown.contains("script: stopped at line"), "{shown}");
    shown
}

/// Runs a script of which nothing may be run; what was shown.
#[track_caller]
pub fn refused(text: &str) -> String {
    let (outcome, lines, shown) = run(text.as_bytes());
    assert!(!outcome.passed(), "{text}\n{shown}");
    assert_eq!((outcome.commands, lines.len()), (0, 0), "{text}\n{shown}");
    assert!(
        shown.ends_with("script: nothing of it was run\n"),
        "{text}\n{shown}"
    );
    shown
}
