//! Copies found, whatever was done to them; honest work left alone.

use super::*;

/// What the students of a lab that does not exist were given.
const STARTER: &str = include_str!("fixtures/starter.rs");
/// One solved it,
const ALICE: &str = include_str!("fixtures/alice.rs");
/// another on her own,
const BOB: &str = include_str!("fixtures/bob.rs");
/// and a third.
const CAROL: &str = include_str!("fixtures/carol.rs");

fn prints(text: &str) -> Prints {
    let mut common = Common::default();
    common.add(STARTER, Language::Rust);
    Prints::of(text, Language::Rust, &common)
}

fn share(one: &str, other: &str) -> f64 {
    prints(one).share(&prints(other))
}

/// The names that Alice chose, and others.
const NAMES: [(&str, &str); 9] = [
    ("occupied", "n"),
    ("position", "spot"),
    ("wrap", "next_one"),
    ("PLACES", "CAPACITY"),
    ("oldest", "first"),
    ("value", "thing"),
    ("lost", "dropped"),
    ("index", "k"),
    ("largest", "maximum"),
];

fn renamed(text: &str) -> String {
    let rename = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    NAMES.iter().fold(text.to_owned(), rename)
}

/// The functions of the `impl`, and those after it, in the reverse order.
fn reordered(text: &str) -> String {
    let (head, body) = text.split_once("impl Ring for Student {\n").unwrap();
    let (inner, after) = body.split_once("\n}\n").unwrap();
    let reversed = |text: &str, between: &str| {
        let mut parts: Vec<&str> = text.trim_matches('\n').split(between).collect();
        parts.reverse();
        parts.join(between)
    };
    let (inner, after) = (reversed(inner, "\n\n"), reversed(after, "\n\n"));
    format!("{head}{after}\n\nimpl Ring for Student {{\n{inner}\n}}\n")
}

/// Other comments, on every line, and each token on its own where a line can be broken.
fn reformatted(text: &str) -> String {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""));
    let line = |line: &str| format!("{} // so\n", line.replace("{ ", "{\n").replace("(", "(\n"));
    code.filter(|line| !line.trim().is_empty())
        .map(line)
        .collect()
}

#[test]
fn a_copy_with_other_names_order_comments_and_layout_not_found() {
    let alice = share(ALICE, ALICE);
    assert!((alice - 1.0).abs() < 1e-9, "{alice}");
    type Change = fn(&str) -> String;
    let changes: [(&str, Change); 5] = [
        ("names", renamed),
        ("order", reordered),
        ("layout", reformatted),
        ("literals", |text| {
            text.replace('8', "0x08").replace('1', "1_usize")
        }),
        ("all", |text| reformatted(&reordered(&renamed(text)))),
    ];
    for (what, change) in changes {
        let copy = change(ALICE);
        assert_ne!(copy, ALICE, "{what}");
        let share = share(ALICE, &copy);
        assert!(share >= 0.85, "{what}: {share}\n{copy}");
    }
}

#[test]
fn honest_solutions_of_one_lab_listed() {
    for (one, other) in [(ALICE, BOB), (ALICE, CAROL), (BOB, CAROL)] {
        assert!(prints(one).says_anything() && prints(other).says_anything());
        let share = share(one, other);
        assert!(share < THRESHOLD / 2.0, "{share}");
    }
}

#[test]
fn what_everybody_was_given_counted_as_copied() {
    assert!(!prints(STARTER).says_anything());
    // Who wrote little but what was given has nothing to copy.
    let little = STARTER.replace("0 // TODO", "self.at(0)");
    assert_eq!(share(&little, &little), 0.0);
}

#[test]
fn a_pair_whose_lines_are_wrong() {
    let half = ALICE.find("    fn largest").unwrap();
    let copy = format!(
        "{STARTER}\nconst PLACES: usize = 8;\nimpl Student {{\n{}",
        &ALICE[half..]
    );
    let files = [prints(BOB), prints(ALICE), prints(&copy)];
    let pairs = pairs(&files);
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    let pair = &pairs[0];
    assert_eq!((pair.one, pair.other), (1, 2));
    let first = ALICE[..half].lines().count() + 1;
    let (from, to) = (pair.lines[0].0, pair.lines[pair.lines.len() - 1].1);
    assert!(from.abs_diff(first) <= 2, "{from} {first}");
    assert!(to.abs_diff(ALICE.lines().count()) <= 2, "{to}");
    let offset = pair.other_lines[0].0 as i64 - from as i64;
    let expected = copy.lines().count() as i64 - ALICE.lines().count() as i64;
    assert!((offset - expected).abs() <= 2, "{offset} {expected}");
}

#[test]
fn scripts_that_differ_in_numbers_and_remarks_told_apart() {
    let script = "map 0x400000 4\nread 0x400000 on all\nprotect 0x400000 2 ro\nfault copy delay 300us\n\
        remap 0x402000\nstorm rounds=60\nfault clear\nbreak acknowledge cpu 1\nstep 3\nwitness on\nstorm rounds=9\n\
        trace\nunmap 0x400000 2\nread 0x401000 on others\nshoot page 0x402000 from 1\nwitness off\nlist\n";
    let copy = script.replace("0x40", "0x80").replace('\n', "  # mine\n\n");
    let empty = Common::default();
    let of = |text: &str| Prints::of(text, Language::Script, &empty);
    assert!(of(script).share(&of(&copy)) > 0.99);
    let mut lines: Vec<&str> = script.lines().collect();
    lines.sort_unstable();
    assert!(of(script).share(&of(&lines.join("\n"))) < THRESHOLD);
}

#[test]
fn a_source_that_is_no_rust_or_nests_without_end_not_read() {
    let deep = format!(
        "fn f() {{ {}{} }}",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    for text in [
        deep.as_str(),
        "fn f( {",
        "\"",
        "\u{0}\u{feff}",
        "",
        "#",
        "#!",
        "pub",
        "pub(",
    ] {
        let prints = Prints::of(text, Language::Rust, &Common::default());
        assert!(prints.share(&prints) <= 1.0);
    }
}
