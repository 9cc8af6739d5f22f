//! Loops and conditions.

use super::{passes, refused, run, stops_at};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The texts that `echo` printed.
#[track_caller]
fn echoed(text: &str) -> Vec<String> {
    let shown = passes(text);
    let lines = shown
        .lines()
        .filter_map(|line| line.strip_prefix("tlb> echo "));
    lines.map(String::from).collect()
}

#[test]
fn repeat_carries_its_block_out_as_often_as_it_says() {
    assert_eq!(
        echoed("repeat 3 {\necho a\n}\necho b"),
        ["a", "a", "a", "b"]
    );
    assert_eq!(echoed("repeat 0 { echo a }\necho b"), ["b"]);
    assert_eq!(
        echoed("let n = 1\nrepeat $n + 1 { echo $n; let n = $n + 1 }"),
        ["1", "2"]
    );
}

#[test]
fn for_goes_through_words_ranges_and_cpus() {
    assert_eq!(echoed("for x in 1-3 { echo $x }"), ["1", "2", "3"]);
    assert_eq!(echoed("for x in 0,2-3 7 { echo $x }"), ["0", "2", "3", "7"]);
    assert_eq!(
        echoed("for x in others all { echo $x }"),
        ["1", "2", "3", "0", "1", "2", "3"]
    );
    assert_eq!(
        echoed("for p in scoreboard global-lock 1-b { echo $p }"),
        ["scoreboard", "global-lock", "1-b"]
    );
    assert_eq!(echoed("for a in 0x400000 4 { echo $a }"), ["0x400000", "4"]);
    assert_eq!(
        echoed("let s = \"1-2\"\nfor x in $s { echo $x }"),
        ["1", "2"]
    );
}

#[test]
fn if_takes_the_first_branch_that_holds() {
    let text = "for x in 1-3 { if $x == 1 { echo one } else if $x == 2 {\n echo two\n}\nelse { echo more } }";
    assert_eq!(echoed(text), ["one", "two", "more"]);
    assert_eq!(echoed("if 1 == 2 { echo a }\necho b"), ["b"]);
}

#[test]
fn a_block_on_one_line_and_on_several_is_the_same() {
    let lines = "for x in 1-2 {\nif $x == 2 {\necho two\n} else {\necho one\n}\n}\n";
    let cut = "for x in 1-2 { if $x == 2 { echo two\n} else { echo one\n}\n}";
    let one = "for x in 1-2 { if $x == 2 { echo two } else { echo one } }; echo end";
    assert_eq!(echoed(lines), ["one", "two"]);
    assert_eq!(echoed(cut), ["one", "two"]);
    assert_eq!(echoed(one), ["one", "two", "end"]);
}

#[test]
fn a_brace_in_a_word_or_a_text_closes_no_block() {
    assert_eq!(echoed("repeat 1 { echo a}b {} }"), ["a}b {}"]);
    assert_eq!(echoed("repeat 1 { let x = \" } \"; echo ${x}. }"), [" } ."]);
    assert_eq!(echoed("let n = 1\nrepeat ${n} { echo a }"), ["a"]);
    assert_eq!(echoed("# } {\nrepeat 1 {\n# }\necho a } # }"), ["a"]);
}

#[test]
fn what_is_wrong_with_blocks_is_said_with_the_line_of_the_block() {
    let shown = refused("cpus\nrepeat 3 {\nmem\n");
    assert!(shown.contains("line 2: the block is not closed"), "{shown}");
    let shown = refused("cpus }\n");
    assert!(shown.contains("line 1: `cpus` cannot take `}`"), "{shown}");
    assert!(refused("if 1 == 1 { cpus } else { } else { }").contains("does not follow an `if`"));
    assert!(refused("if 1 == 1 { cpus }\nmem\nelse { }").contains("does not follow an `if`"));
    assert!(refused("for x in 3-1 { cpus").contains("not closed"));
    assert!(stops_at(2, "mem\nfor x in 3-1 { cpus }").contains("runs backwards"));
}

#[test]
fn a_failure_in_a_loop_names_the_line_and_the_command_as_it_was() {
    let shown = stops_at(3, "cpus\nfor cpu in 2-9 {\n  lapic $cpu\n}\nmem\n");
    assert!(shown.contains("tlb> lapic 3\n"), "{shown}");
    assert!(
        shown.ends_with("script: stopped at line 3: `lapic 4`\n"),
        "{shown}"
    );
    assert!(!shown.contains("tlb> mem"), "{shown}");
}

#[test]
fn a_runaway_loop_ends() {
    let shown = stops_at(1, "cpus; repeat 18446744073709551615 { }");
    assert!(shown.contains("100000 statements"), "{shown}");
    let (outcome, lines, _) = run(b"repeat 400 { repeat 400 { cpus } }");
    assert!(outcome.stopped.is_some() && lines.len() < 100_000);
    stops_at(1, "cpus; for x in 0-18446744073709551615 { }");
}

#[test]
fn blocks_lie_in_each_other_only_so_deep() {
    let nested = |depth: usize| {
        format!(
            "{} cpus {}",
            "repeat 1 {".repeat(depth),
            "}\n".repeat(depth)
        )
    };
    passes(&nested(8));
    assert!(refused(&nested(9)).contains("too deep"));
    assert!(refused(&nested(100)).contains("too deep"));
    let lines = format!(
        "{}cpus\n{}",
        "repeat 1 {\n".repeat(5000),
        "}\n".repeat(5000)
    );
    assert!(refused(&lines).contains("too deep"));
}
