//! No text panics, hangs, or takes more memory than a kernel has.

use super::super::parser;
use super::{refused, run};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A sequence that is the same in every run (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// What scripts are made of, and a few things that they are not.
const PIECES: &[&str] = &[
    "let",
    "expect",
    "repeat",
    "for",
    "if",
    "else",
    "in",
    "x",
    "=",
    "==",
    "!=",
    "<",
    "1",
    "0x10",
    "18446744073709551615",
    "$x",
    "${x}",
    "$",
    "$$",
    "{",
    "}",
    ";",
    "\n",
    "\n",
    "(",
    ")",
    "[",
    "]",
    "[0]",
    "[cpu=1]",
    "last",
    ".",
    "last.cpus",
    "last.ok",
    "last.cpus[1].cpu",
    "\"",
    "\"a b\"",
    "!",
    "#",
    "and",
    "or",
    "not",
    "all",
    "any",
    "count",
    "sum",
    "has",
    "+",
    "-",
    "*",
    "/",
    "%",
    "no",
    "violation",
    "hang",
    "I5",
    "on",
    "culprit",
    "1-3",
    "others",
    "cpus",
    "mem",
    "version",
    "storm rounds=13",
    "storm rounds=14",
    "regs 1",
    "map 0x400000",
    "--json",
    "é",
    "\u{202e}",
    "\t",
    "\r",
    "\0",
    "nothing",
    "yes",
    "0.5",
    "4K",
    ",",
];

#[test]
fn words_of_the_language_in_any_order() {
    let mut random = Random(1);
    let mut ran = 0;
    for _ in 0..10_000 {
        let mut text = String::new();
        for _ in 0..random.below(24) {
            text.push_str(PIECES[random.below(PIECES.len())]);
            if random.below(4) > 0 {
                text.push(' ');
            }
        }
        // Loops may be long, but not that long here.
        let text = text.replace("repeat 18446744073709551615", "repeat 2");
        let (outcome, lines, _) = run(text.as_bytes());
        ran += usize::from(!lines.is_empty());
        assert!(outcome.commands >= lines.len(), "{text:?}");
    }
    assert!(ran > 30, "only {ran} of the scripts ran a command");
}

#[test]
fn scripts_with_a_few_bytes_changed() {
    let script = crate::script::guide::EXAMPLE.join("\n").into_bytes();
    let mut random = Random(2);
    for _ in 0..2_000 {
        let mut text = script.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(text.len());
            match random.below(3) {
                0 => text[at] = random.below(256) as u8,
                1 => drop(text.remove(at)),
                _ => text.insert(at, b"{}()[]$\";=\n !"[random.below(13)]),
            }
        }
        run(&text);
    }
}

#[test]
fn noise() {
    let mut random = Random(3);
    for _ in 0..2_000 {
        let text: Vec<u8> = (0..random.below(400))
            .map(|_| random.below(256) as u8)
            .collect();
        run(&text);
    }
}

#[test]
fn expressions_as_deep_and_as_long_as_a_line_allows() {
    for text in [
        format!("{}1{} == 1", "(".repeat(240), ")".repeat(240)),
        format!("{}yes", "not ".repeat(120)),
        format!("1{} == 250", "+1".repeat(249 - 6)),
        format!("yes{}", " and yes".repeat(60)),
        format!("last{} == 1", ".x".repeat(240)),
        format!("last{} == 1", "[0]".repeat(160)),
        format!("{}last.cpus == 1", "count ".repeat(80)),
        "(".repeat(500),
    ] {
        run(format!("cpus\nexpect {text}\n").as_bytes());
    }
}

#[test]
fn a_text_that_grows_from_turn_to_turn_is_stopped() {
    let (outcome, _, shown) = run(b"let x = ab; repeat 100 { let x = \"$x$x\" }");
    assert!(outcome.stopped.is_some(), "{shown}");
    assert!(shown.contains("longer than 512 bytes"), "{shown}");
    assert!(shown.len() < 10_000);
}

#[test]
fn a_script_larger_than_memory_is_refused() {
    assert!(refused(&"cpus\n".repeat(3000)).contains("too many statements"));
    assert!(refused(&"# comment\n".repeat(10_000)).contains("too long"));
    assert!(refused(&"frob\n".repeat(1000)).lines().count() < 60);
    // Nor are all its mistakes kept.
    for text in ["let\n", "repeat 1 {\n", "cpus\n"] {
        let problems = parser::parse(text.repeat(5000).as_bytes()).expect_err(text);
        assert!(problems.len() <= parser::MOST_PROBLEMS, "{text}");
    }
}
