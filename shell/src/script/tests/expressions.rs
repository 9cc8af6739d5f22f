//! Expressions, and what they find in the last answer.

use super::{passes, refused, stops_at};
use alloc::format;

/// The fake's answers that the conditions below are about.
const CPUS: &str = "cpus\n";

#[track_caller]
fn holds(condition: &str) {
    passes(&format!("let five = 5\n{CPUS}expect {condition}\n"));
}

/// What is shown when the condition does not hold, or cannot be judged.
#[track_caller]
fn fails(condition: &str) -> alloc::string::String {
    stops_at(2, &format!("{CPUS}expect {condition}\n"))
}

#[test]
fn operators_bind_as_in_arithmetic() {
    for condition in [
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "7 - 2 - 1 == 4",
        "7 / 2 == 3 and 7 % 4 == 3",
        "100 / 10 / 5 == 2",
        "0x10 + 4K == 4112",
        "not 1 == 2 and not (1 == 1 and 2 == 3)",
        "1 == 2 or 2 == 2 and 3 == 3",
        "not no and yes",
        "1 <= 1 and 2 >= 1 and 1 < 2 and 2 > 1 and 1 != 2",
        "18446744073709551615 > 18446744073709551614",
        "1.5 < 2 and 1.5 == 1.500 and 0.125 > 0.1",
        "global-lock == \"global-lock\" and a != b",
        "5 - 3 == 2 and $five-3 == 2 and 1-3 != 2 and 1-3 == \"1-3\"",
        "\"I have 5 pages\" has \"5 p\"",
    ] {
        holds(condition);
    }
}

#[test]
fn what_cannot_be_computed_is_an_error_and_not_a_wrong_number() {
    for (condition, said) in [
        ("18446744073709551615 + 1 == 0", "does not fit in 64 bits"),
        ("1 - 2 == 0", "below 0"),
        ("4G * 8G * 2 == 0", "does not fit in 64 bits"),
        ("1 / 0 == 0", "divides by 0"),
        ("1 % 0 == 0", "divides by 0"),
        ("fresh + 1 == 2", "`fresh` is not a number"),
        ("fresh < 2", "`fresh` is not a number"),
        ("5", "`5` is neither yes nor no"),
        ("not 5", "`5` is neither yes nor no"),
        ("1 has 1", "neither a text nor a CPU set"),
    ] {
        let shown = fails(condition);
        assert!(shown.contains(said), "{condition}\n{shown}");
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    for condition in [
        "1 +",
        "+ 1",
        "1 2",
        "(1 == 1",
        "1 == 1)",
        "()",
        "1 = 1",
        "1 == 1 == 1",
        "1 < 2 < 3",
        "last",
        "last.",
        "last[",
        "last[0",
        "last[cpu=]",
        "last[cpu]",
        "last..x",
        "\"open",
        "12x == 1",
        "99999999999999999999 == 1",
        "1.2345 == 1",
        "$ == 1",
        "${x == 1",
        "$1 == 1",
        "a ? b",
        "é == 1",
        "all",
        "count()",
        "and",
        "1 and",
        "{} == 1",
        "last[1.5.2].x == 1",
        "1 == -1",
    ] {
        let shown = refused(&format!("cpus\nexpect {condition}\n"));
        assert!(shown.contains("error: line 2: "), "{condition}\n{shown}");
    }
}

#[test]
fn paths_lead_to_fields_rows_and_columns() {
    for condition in [
        "last.cpus[2].apic_id == 20",
        "last.cpus[cpu=2].apic_id == 20",
        "last[CPU=2].apic_id == 20",
        "last[state=idle][1].cpu == 2",
        "last[cpu=3].cpu-1 == 2",
        "last[state=\"boot CPU\"].cpu == 0",
        "last.cpu[3] == 3",
        "count last.cpus == 4 and count(last[state=idle]) == 3 and count(last[cpu=9]) == 0",
        "sum(last.apic_id) == 60 and least last.cpu == 0 and most last.cpu == 3",
        "all last.apic_id == 10 or any last.apic_id == 10",
        "all last[state=idle].cpu > 0 and not any last.cpu > 3",
        "not all last[cpu=9].cpu == 1",
        "last.ok and last.error == nothing and last.command == cpus",
    ] {
        holds(condition);
    }
    passes(
        "version\nexpect last.kernel == \"0.1.0\" and last.ready\n\
        expect last.start_address == 0xffff_ffff_8000_0000\nexpect last.notes == \"\"\n",
    );
    passes("! regs 1\nexpect not last.ok and last.error has \"did not answer\"\n");
    passes(
        "cpus\nlet row = 2\nlet cpu = last[$row].cpu\nexpect last[cpu=$cpu].apic_id == $cpu * 10\n",
    );
}

#[test]
fn text_that_was_shown_before_the_end_is_in_the_answer() {
    passes("sleep 5\nexpect last.before == 1 and last.after == 2\n");
}

#[test]
fn what_the_answer_does_not_have_is_named_with_what_it_has() {
    let shown = fails("last.cpuz == 1");
    assert!(shown.contains("has no `cpuz`"), "{shown}");
    assert!(shown.contains("did you mean `cpus`?"), "{shown}");
    assert!(
        shown.contains("expected cpus with columns cpu, apic_id, state"),
        "{shown}"
    );
    let shown = fails("last[cpu=7].state == idle");
    assert!(
        shown.contains("no row whose cpu is 7: there are 0, 1, 2, 3"),
        "{shown}"
    );
    assert!(fails("last[7].state == idle").contains("no row 7: it has 4"));
    assert!(fails("last[cpi=7].state == idle").contains("no column `cpi`"));
    assert!(fails("last.cpus.stat == idle").contains("did you mean `state`?"));
    assert!(fails("last.cpus == 1").contains("4 rows"));
    assert!(fails("last.ok.x == 1").contains("goes too far"));
    assert!(fails("last.state == idle").contains("has 4 values"));
    let shown = stops_at(2, "version\nexpect last[0].x == 1");
    assert!(shown.contains("has no table"), "{shown}");
    let shown = stops_at(2, "echo\nexpect last.cpus == 1");
    assert!(shown.contains("has no `cpus`"), "{shown}");
    let shown = stops_at(1, "if last.x == 1 { cpus }; cpus");
    assert!(shown.contains("no command has answered yet"), "{shown}");
}

#[test]
fn an_unmet_expectation_says_what_was_expected_and_what_was_seen() {
    assert_eq!(
        fails("last[cpu=2].apic_id == 21 and last.ok"),
        "tlb> cpus\nCPU  APIC ID  STATE\n  0        0  boot CPU\n  1       10  idle\n  \
         2       20  idle\n  3       30  idle\n\
         tlb> expect last[cpu=2].apic_id == 21 and last.ok\n\
         error: unmet: last[cpu=2].apic_id is 20\n  expected last[cpu=2].apic_id == 21 and last.ok\n\
         script: stopped at line 2: `expect last[cpu=2].apic_id == 21 and las…`\n"
    );
    let shown = fails("all last.state == idle");
    assert!(
        shown.contains("unmet: last.state is boot CPU on cpu 0, idle on cpu 1, idle"),
        "{shown}"
    );
    let shown = fails("count(last.cpus) == 5");
    assert!(shown.contains("unmet: count(last.cpus) is 4\n"), "{shown}");
    let shown = stops_at(2, "let x = 2\nexpect $x > 1 + 1\ncpus");
    assert!(shown.contains("unmet: $x is 2\n"), "{shown}");
    assert!(fails("1 == 2").contains("unmet: it does not hold"));
}

#[test]
fn the_other_side_of_and_and_or_is_not_looked_at_in_vain() {
    holds("1 == 1 or last.nothing_there == 1");
    holds("not (1 == 2 and last.nothing_there == 1)");
    fails("1 == 2 or last.nothing_there == 1");
}

#[test]
fn sets_of_cpus_compare_as_sets() {
    use super::super::operate::{Binary, apply, equal};
    use crate::report::Value;
    use shootdown::CpuSet;
    let set = Value::from(CpuSet::from_bits(0b1110));
    assert!(equal(&set, &"1-3".into()) && equal(&"1,2,3".into(), &set));
    assert!(equal(&Value::from(CpuSet::from_bits(0b100)), &2_u64.into()));
    assert!(!equal(&set, &2_u64.into()) && !equal(&set, &"fresh".into()));
    for (part, is) in [("2", true), ("1-2", true), ("0", false), ("0-1", false)] {
        assert_eq!(
            apply(Binary::Has, &set, &part.into()),
            Ok(is.into()),
            "{part}"
        );
    }
    assert!(apply(Binary::Has, &set, &"fresh".into()).is_err());
}
