//! What reports look like.

use super::text::wrap;
use super::*;
use crate::fake::{PLAIN, shown};
use serde_json::Value as Json;

fn json(line: &str) -> Json {
    let text = shown(line, PLAIN);
    let (object, rest) = text.split_once('\n').expect("one line");
    assert_eq!(rest, "", "{line}: more than one line");
    serde_json::from_str(object).unwrap_or_else(|error| panic!("{object}: {error}"))
}

const COLOURED: Settings = Settings {
    colour: true,
    columns: 80,
    crlf: true,
};

#[test]
fn fields_line_up() {
    let text = "kernel         0.1.0\nstart address  0xffffffff80000000\nready          yes\n";
    assert_eq!(shown("version", PLAIN), text);
}

#[test]
fn tables_line_up_numbers_on_the_right_and_no_line_ends_with_a_space() {
    let text = "CPU  APIC ID  STATE\n  0        0  boot CPU\n  1       10  idle\n  2       20  idle\n  3       30  idle\n";
    assert_eq!(shown("cpus", PLAIN), text);
}

#[test]
fn a_row_of_the_wrong_length_keeps_the_table_whole() {
    let mut table = Table::new(["a", "b"]);
    table.row([]);
    table.row([1u64.into(), 2u64.into(), 3u64.into()]);
    let (mut bytes, mut report) = (alloc::vec::Vec::new(), Report::new());
    report.table("t", table);
    report.show(&mut Console::new(&mut bytes, PLAIN), 0);
    assert_eq!(bytes, b"A  B\n-  -\n1  2\n");
}

#[test]
fn json_is_one_object_on_one_line_command_first() {
    assert!(
        shown("cpus --json", PLAIN).starts_with(r#"{"command":"cpus","ok":true,"cpus":[{"cpu":0,"#)
    );
    let version = json("version --json");
    assert_eq!(version["start_address"], "0xffffffff80000000");
    assert_eq!(version["ready"], true);
}

#[test]
fn every_command_answers_in_json() {
    for command in crate::commands::TABLE {
        for example in command.examples {
            let answer = json(&alloc::format!("{example} --json"));
            assert_eq!(answer["command"], command.name, "{example}");
            assert!(answer["ok"].is_boolean(), "{example}");
        }
    }
}

#[test]
fn a_refusal_in_json_says_what_was_expected() {
    let answer = json("--json regs 9");
    assert_eq!(answer["command"], "regs");
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["error"], "CPU: CPU 9 does not run");
    assert!(
        answer["expected"]
            .as_str()
            .is_some_and(|text| text.contains("0-3"))
    );
    assert_eq!(json("--json nonsense")["command"], Json::Null);
}

#[test]
fn a_failure_comes_after_what_was_found_out() {
    let text = "symbol  before\\x1b[2Jafter\nerror: CPU 1 did not answer\\x07\n  try `cpus`\n";
    assert_eq!(shown("regs 1", PLAIN), text);
    let answer = json("regs 1 --json");
    assert_eq!(answer["symbol"], "before\x1b[2Jafter");
    assert_eq!(answer["hint"], "try `cpus`");
}

#[test]
fn progress_comes_in_its_place_in_text_and_not_in_json() {
    assert_eq!(shown("sleep 5", PLAIN), "before  1\n5 ms to go\nafter  2\n");
    let answer = json("sleep 5 --json");
    assert_eq!(
        (&answer["before"], &answer["after"]),
        (&Json::from(1), &Json::from(2))
    );
}

#[test]
fn without_colours_there_is_no_escape_byte_and_with_them_the_same_text() {
    for line in [
        "version",
        "cpus",
        "help",
        "help shoot",
        "nonsense",
        "regs 1",
        "tour",
        "echo \x1b[31m",
    ] {
        let settings = Settings {
            colour: false,
            ..COLOURED
        };
        let plain = shown(line, settings);
        assert!(!plain.contains('\x1b'), "{line}: {plain:?}");
        let mut coloured = shown(line, COLOURED);
        for style in [
            Style::Good,
            Style::Bad,
            Style::Warn,
            Style::Dim,
            Style::Strong,
        ] {
            coloured = coloured.replace(style.sequence(), "");
        }
        assert_eq!(coloured.replace("\x1b[0m", ""), plain, "{line}");
    }
    assert!(shown("nonsense", COLOURED).contains("\x1b[31merror:\x1b[0m"));
}

#[test]
fn no_control_byte_reaches_json_either() {
    let text = shown("echo \u{7f}\u{9b}\u{202e}\x1b --json", PLAIN);
    assert!(
        text.trim_end_matches('\n').chars().all(is_plain),
        "{text:?}"
    );
    let answer: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!(answer["text"], "\u{7f}\u{9b}\u{202e}\x1b");
}

#[test]
fn a_ratio_is_rounded_and_never_divides_by_zero() {
    assert_eq!(Value::ratio(5, 4).text(), "1.250");
    assert_eq!(Value::ratio(2, 3).text(), "0.667");
    assert_eq!(Value::ratio(1, 0).text(), "-");
    assert_eq!(Value::ratio(u64::MAX, 1).text().len(), 21);
    assert_eq!(
        serde_json::to_string(&Value::ratio(5, 4)).expect("JSON"),
        "1.25"
    );
}

#[test]
fn paragraphs_wrap_between_words_and_keep_their_indent() {
    assert_eq!(wrap("one two three", 8), ["one two", "three"]);
    assert_eq!(wrap("  one two three", 9), ["  one two", "  three"]);
    assert_eq!(wrap("a\n\nb", 8), ["a", "", "b"]);
    assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
}

#[test]
fn lines_end_as_the_terminal_wants_it() {
    assert!(
        shown("cpus", COLOURED)
            .split('\n')
            .all(|line| line.is_empty() || line.ends_with('\r'))
    );
    assert!(!shown("cpus", PLAIN).contains('\r'));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "two members called `cpu`")]
fn two_members_of_one_name_are_loud() {
    let mut report = Report::new();
    report.field("cpu", 1u64);
    report.field("cpu", 2u64);
}
