//! The transcripts in gdb's page, each against the machine.
//!
//! A transcript is a fenced block behind a line `<!-- gdb: STUB -->`. `…` stands for any text, and a line of it alone
//! for any lines. However many spaces, they count as one: a table's columns are as wide as what stands in them.

use std::path::Path;

use crate::session::gdb;

const MARK: &str = "<!-- gdb: ";
const PROMPT: &str = "(gdb) ";

/// Whether `pattern`, in which `…` stands for any text, describes `line`.
fn matches(pattern: &str, line: &str) -> bool {
    let mut pieces = pattern.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        last = Some(piece);
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.is_empty() || line.ends_with(last),
    }
}

/// Whether the lines are as they are expected, empty ones left out.
fn all_match(expected: &[String], said: &[String]) -> bool {
    match expected {
        [] => said.is_empty(),
        [any, rest @ ..] if any == "…" => {
            (0..=said.len()).any(|skipped| all_match(rest, &said[skipped..]))
        }
        [first, rest @ ..] => {
            said.first().is_some_and(|line| matches(first, line)) && all_match(rest, &said[1..])
        }
    }
}

/// The line with one space between its words.
fn one_spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A transcript's commands, each with what it prints.
fn parts(text: &str) -> Vec<(&str, Vec<String>)> {
    let mut parts: Vec<(&str, Vec<String>)> = vec![];
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match (line.strip_prefix(PROMPT), parts.last_mut()) {
            (Some(command), _) => parts.push((command, vec![])),
            (None, Some((_, said))) => said.push(one_spaced(line)),
            (None, None) => {}
        }
    }
    parts
}

#[test]
fn a_page_that_shows_what_no_gdb_prints() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gdb/README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page.split(MARK).skip(1).collect();
    assert_eq!(blocks.len(), 5, "five things to try");
    for block in blocks {
        let stub = block.split(" -->").next().unwrap();
        let body = block.split("```console\n").nth(1).unwrap();
        let expected = parts(body.split("```").next().unwrap());
        let script: String = expected
            .iter()
            .map(|(command, _)| format!("echo {PROMPT}{command}\\n\n{command}\n"))
            .collect();
        let said = gdb(stub, &script).text;
        let said = parts(&said);
        for (expected, (_, mut said)) in expected.iter().zip(said) {
            // The harness's own last words.
            said.retain(|line| !line.starts_with("[Inferior 1 "));
            assert!(
                all_match(&expected.1, &said),
                "after `{}` the page shows\n{}\nbut gdb said\n{}",
                expected.0,
                expected.1.join("\n"),
                said.join("\n")
            );
        }
    }
}
