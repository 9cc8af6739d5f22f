//! Transcripts in the documents, each against a run of the command that it names.
//!
//! A transcript is a fenced block behind a line `<!-- transcript: cargo kit ... -->`. Of `run` it shows what follows
//! the boot messages, of others what they print, but for the line that says how this host confined a submission.
//! `BLESS=1 cargo test -p grader --test transcripts` rewrites those that differ.

use std::path::{Path, PathBuf};
use std::process::Command;

const MARK: &str = "<!-- transcript: cargo kit ";

/// A transcript as a document has it.
struct Transcript {
    /// The arguments of `kit`.
    arguments: Vec<String>,
    /// The bytes of the document between the fences.
    body: std::ops::Range<usize>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Words as a shell splits them, with double quotes only.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![];
    for (number, piece) in command.split('"').enumerate() {
        match number % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

fn transcripts(text: &str) -> Vec<Transcript> {
    text.match_indices(MARK)
        .map(|(at, _)| {
            let rest = &text[at + MARK.len()..];
            let command = &rest[..rest.find("-->").expect("the comment ends")];
            let opening = at
                + text[at..]
                    .find("```console\n")
                    .expect("a fenced block follows")
                + 11;
            let body = opening..opening + text[opening..].find("```").expect("the block ends");
            Transcript {
                arguments: words(command),
                body,
            }
        })
        .collect()
}

fn run(arguments: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kit"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("kit starts");
    let text = String::from_utf8(output.stdout).expect("a transcript is text");
    assert!(
        output.status.success(),
        "`kit {}` failed:\n{text}",
        arguments.join(" ")
    );
    if arguments.first().is_some_and(|command| command == "run") {
        let prompt = text.find("tlb> ").expect("a transcript shows commands");
        return text[prompt..].to_owned();
    }
    let lines = text.split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("confined by "))
        .collect()
}

fn check(document: &str, least: usize) {
    let path = root().join(document);
    let mut text = std::fs::read_to_string(&path).expect("the document is there");
    let found = transcripts(&text);
    assert!(
        found.len() >= least,
        "{document} has {} transcripts, {least} are expected",
        found.len()
    );
    for transcript in found.iter().rev() {
        let now = run(&transcript.arguments);
        let shown = &text[transcript.body.clone()];
        if shown == now {
            continue;
        }
        assert!(
            std::env::var_os("BLESS").is_some(),
            "{document} shows\n{shown}\nbut `kit {}` now prints\n{now}\nBLESS=1 rewrites it",
            transcript.arguments.join(" ")
        );
        text.replace_range(transcript.body.clone(), &now);
        std::fs::write(&path, &text).expect("the document can be written");
    }
}

#[test]
fn a_readme_that_shows_what_no_machine_prints() {
    check("README.md", 1);
}

#[test]
fn a_guide_for_instructors_that_shows_another_verdict() {
    check("grader/README.md", 1);
}
