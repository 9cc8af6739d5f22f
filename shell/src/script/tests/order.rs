//! Commands, one after another.

use super::{passes, refused, run, stops_at};

#[test]
fn the_transcript_shows_each_command_and_its_answer() {
    let (outcome, _, text) = run(b"# a comment\n\necho one\n  sleep 5  \n");
    assert!(outcome.passed());
    assert_eq!(outcome.commands, 2);
    assert_eq!(
        text,
        "tlb> echo one\none\ntlb> sleep 5\nbefore  1\n5 ms to go\nafter  2\n"
    );
}

#[test]
fn a_script_from_another_system_reads_the_same() {
    let unix = run(b"cpus\n! regs 9\nmem\n");
    assert_eq!(run(b"\xef\xbb\xbfcpus\r\n! regs 9\r\nmem"), unix);
    assert_eq!(unix.1, ["cpus", "mem"]);
}

#[test]
fn the_first_failure_ends_it_with_its_line() {
    let (outcome, lines, text) = run(b"cpus\n\nregs 9\nreboot\n");
    assert_eq!(lines, ["cpus"]);
    assert!(!outcome.passed());
    let stopped = outcome.stopped.expect("a failure");
    assert_eq!((stopped.line, stopped.command.as_str()), (3, "regs 9"));
    assert!(
        text.ends_with("script: stopped at line 3: `regs 9`\n"),
        "{text}"
    );
}

#[test]
fn a_failure_that_was_expected_does_not_end_it_and_a_success_that_was_not_does() {
    let (outcome, lines, text) = run(b"! regs 1\n!regs 9\ncpus\n");
    assert!(outcome.passed());
    assert_eq!(lines, ["regs 1", "cpus"]);
    assert!(text.starts_with("tlb> ! regs 1\n"), "{text}");
    let (outcome, lines, _) = run(b"! cpus\nmem\n");
    assert_eq!(lines, ["cpus"]);
    assert_eq!(outcome.stopped.map(|stopped| stopped.line), Some(1));
}

#[test]
fn a_mistake_on_the_last_line_is_told_before_the_first_is_run() {
    for mistake in [
        "frobnicate",
        "map 0x400001",
        "unmap 0x7ffffffff000 2",
        "map",
        "shoot page",
        "map 0x400000 from",
        "storm rounds=many",
        "echo $nothing_of_that_name",
        "echo $",
        "let = 1",
        "let x 1",
        "let x = 1 +",
        "let 2x = 1",
        "expect",
        "expect last",
        "expect last.x = 1",
        "expect $nobody == 1",
        "expect last[cpu=$nobody].x == 1",
        "expect \"$nobody\" == x",
        "expect violation I21",
        "expect violation culprit 1",
        "expect hang on",
        "repeat 3",
        "repeat {",
        "for x 1-3 { }",
        "for x in { }",
        "if { }",
        "else { }",
        "}",
        "! let x = 1",
        "!",
    ] {
        let shown = refused(&alloc::format!("cpus\nmem\n{mistake}\n"));
        assert!(shown.starts_with("error: line 3: "), "{mistake}\n{shown}");
    }
    let shown = refused("cpus\nfrob\necho fine\nmap 0x1\n");
    assert!(shown.contains("error: line 2: ") && shown.contains("error: line 4: "));
    assert!(shown.contains("  in map 0x1\n"), "{shown}");
}

#[test]
fn what_may_change_before_its_turn_is_no_mistake_beforehand() {
    // Spaces, CPUs and names are looked at when it is the line's turn.
    for (line, command) in [(2, "space use 7"), (2, "regs 9"), (2, "proto padding")] {
        stops_at(line, &alloc::format!("cpus\n{command}\n"));
    }
    passes("cpus\n! frobnicate\n! map 0x1\n! echo $nobody\n");
}

#[test]
fn semicolons_separate_statements_as_line_ends_do() {
    let (outcome, lines, _) = run(b"cpus; mem;; version ;\nlet x = \"a;b\"; expect $x has \";\"");
    assert!(outcome.passed());
    assert_eq!(lines, ["cpus", "mem", "version"]);
}

#[test]
fn what_is_no_text_ends_it_before_anything_runs() {
    let (outcome, lines, shown) = run(b"cpus\n\xff\xfe\nmem\n");
    assert!(lines.is_empty() && shown.contains("line 2: the line is not UTF-8"));
    assert_eq!(outcome.stopped.map(|stopped| stopped.line), Some(2));
}

#[test]
fn a_line_beyond_the_limit_ends_it_and_is_not_executed() {
    let long = "x".repeat(10_000);
    for text in ["echo LONG", "expect LONG == 1", "repeat LONG { }"] {
        let shown = refused(&text.replace("LONG", &long));
        assert!(shown.contains("longer than 512 bytes"), "{shown}");
    }
    passes(&alloc::format!("! echo {long}"));
}

#[test]
fn a_variable_stands_for_its_value_in_commands() {
    let (outcome, lines, shown) = run(b"let page = 0x400000\nlet n = 2\n\
        map $page ${n}\nunmap $page $n\necho $$5 ${n}x $n");
    assert!(outcome.passed(), "{shown}");
    assert_eq!(lines, ["map 0x400000 2", "unmap 0x400000 2"]);
    assert!(shown.contains("tlb> map 0x400000 2\n"), "{shown}");
    assert!(shown.contains("page = 0x400000\n"), "{shown}");
    assert!(shown.ends_with("$5 2x 2\n"), "{shown}");
}

#[test]
fn a_variable_that_was_skipped_is_named_when_it_is_missing() {
    let shown = stops_at(2, "if no { let x = 1 }\necho $x\n");
    assert!(shown.contains("there is no variable `x`"), "{shown}");
}
