//! What the kernel shows of TLBs: the ledger, the witnesses, the scoreboard, the view.

mod common;

use std::time::Duration;

use common::{KIT, succeed};
use grader::machine::Machine;
use grader::status::Status;
use serde_json::Value;

fn machine() -> Machine {
    Machine::new(KIT).timeout(Duration::from_secs(120))
}

/// The answers to the lines of `script` that end with `--json`.
#[track_caller]
fn answers(machine: &Machine, script: &str) -> Vec<Value> {
    succeed(machine, script).json()
}

/// What the row of `page` in a `tlb` answer says of CPUs 1 to 3.
#[track_caller]
fn cells(answer: &Value, page: &str) -> [String; 3] {
    let rows = answer["tlb"].as_array().unwrap();
    let row = rows.iter().find(|row| row["page"] == page);
    let row = row.unwrap_or_else(|| panic!("no row of {page}: {answer}"));
    ["cpu1", "cpu2", "cpu3"].map(|cpu| row[cpu].as_str().unwrap().to_string())
}

#[test]
fn a_ledger_that_shows_another_tlb_than_there_is() {
    let answers = answers(
        &machine().deterministic(),
        "map 0x400000\n\
         read 0x400000 on others\n\
         tlb --json\n\
         remap 0x400000 noshoot\n\
         tlb --json\n\
         tlb confirm --json\n\
         shoot page 0x400000 to 1\n\
         tlb --json\n\
         shoot page 0x400000\n\
         tlb 0x400000 --json\n\
         tlb confirm --json\n\
         tlb confirm --json\n",
    );
    let shown: Vec<_> = answers
        .iter()
        .map(|answer| cells(answer, "0x400000"))
        .collect();
    let all = |cell: &str| [(); 3].map(|()| cell.to_string());
    assert_eq!(shown[0], all("0x1"));
    assert_eq!(shown[1], all("0x1 STALE"));
    assert_eq!(shown[2], all("0x1* STALE"));
    assert_eq!(shown[3], ["0x2?", "0x1* STALE", "0x1* STALE"]);
    assert_eq!(answers[3]["stale_on"], serde_json::json!([2, 3]));
    assert_eq!(shown[4], all("0x2?"));
    // The first look finds nothing there and loads it; the second finds it.
    assert_eq!(shown[5], all("0x2"));
    assert_eq!(shown[6], all("0x2*"));
}

#[test]
fn a_dead_translation_of_an_unmapped_page_that_is_not_shown() {
    let answers = answers(
        &machine().deterministic(),
        "map 0x400000 2\n\
         read 0x400000 on others\n\
         unmap 0x400000 2 noshoot\n\
         tlb --json\n\
         shoot space\n\
         tlb --json\n",
    );
    assert_eq!(
        cells(&answers[0], "0x400000"),
        [(); 3].map(|()| "0x1 STALE".to_string())
    );
    // Nobody has read it, but nothing proves that nobody loaded it.
    assert_eq!(
        cells(&answers[0], "0x401000"),
        [(); 3].map(|()| "0x2? STALE".to_string())
    );
    assert_eq!(answers[1]["tlb"], serde_json::json!([]), "{}", answers[1]);
}

#[test]
fn an_invalidation_left_out_that_the_ledger_believes_in() {
    let answers = answers(
        &machine().deterministic(),
        "map 0x40123000\n\
         read 0x40123000 on others\n\
         fault invalidate skip cpu 2 1*\n\
         remap 0x40123000\n\
         tlb --json\n\
         read 0x40123000 on others --json\n\
         shoot page 0x40123000\n\
         tlb --json\n",
    );
    assert_eq!(
        answers[0]["stale_on"],
        serde_json::json!([2]),
        "{}",
        answers[0]
    );
    assert_eq!(
        answers[1]["reads"][1]["verdict"], "STALE: a freed frame",
        "{}",
        answers[1]
    );
    assert_eq!(
        answers[2]["stale_on"],
        serde_json::json!([]),
        "{}",
        answers[2]
    );
}

#[test]
fn a_stale_read_after_a_shootdown_that_no_witness_tells_of() {
    for protocol in ["scoreboard", "global-lock", "queue"] {
        for machine in [machine().deterministic(), machine().threaded()] {
            let answers = answers(
                &machine.proto(protocol),
                "map 0x400000 2\n\
                 witness start 0x400000 2\n\
                 witness\n\
                 fault invalidate skip cpu 2 1*\n\
                 remap 0x400000\n\
                 witness --json\n\
                 expect violation on 2\n\
                 shoot page 0x400000\n\
                 witness stop --json\n\
                 expect no violation\n",
            );
            let told = &answers[0];
            assert_eq!(told["violations"], 1, "{protocol}: {told}");
            let find = &told["stale"][0];
            assert_eq!(find["cpu"], 2, "{protocol}: {told}");
            assert_eq!(find["page"], "0x400000", "{protocol}: {told}");
            assert_eq!(find["expected"], "0x3", "{protocol}: {told}");
            assert_eq!(find["shot_by"], 0, "{protocol}: {told}");
            assert!(
                find["age"].as_u64().is_some_and(|age| age > 0),
                "{protocol}: {told}"
            );
            assert_ne!(find["old_frame"], find["new_frame"], "{protocol}: {told}");
            assert!(find["new_frame"].is_string(), "{protocol}: {told}");
            assert_eq!(answers[1]["violations"], 1, "{protocol}: {}", answers[1]);
        }
    }
}

#[test]
fn a_witness_that_calls_an_unsettled_page_stale() {
    let script = "map 0x400000 4\n\
        witness start 0x400000 5\n\
        witness\n\
        remap 0x400000 noshoot\n\
        witness\n\
        unmap 0x401000 noshoot\n\
        map 0x401000\n\
        protect 0x402000 ro\n\
        write 0x403ff0 7\n\
        witness\n\
        shoot space to 1\n\
        witness\n\
        shoot space\n\
        map 0x404000\n\
        witness\n\
        unmap 0x400000 5\n\
        witness stop --json\n";
    for machine in [machine().deterministic(), machine().threaded()] {
        let told = answers(&machine, script).pop().unwrap();
        assert_eq!(told["violations"], 0, "{told}");
        // Not blind either: everything is settled again in the end.
        for page in told["pages"].as_array().unwrap() {
            assert_eq!(
                page["settled_for"],
                serde_json::json!([0, 1, 2, 3]),
                "{told}"
            );
            assert_eq!(page["must_show"], "nothing", "{told}");
            assert_eq!(page["cpu2"], "nothing", "{told}");
        }
    }
}

#[test]
fn a_false_alarm_while_every_cpu_changes_the_pages_that_are_watched() {
    let script = "map 0x400000\n\
        witness start 0x400000\n\
        run remapper 0x400000 300 on 1\n\
        run revoke 0x400000 100 on 2\n\
        witness stop --json\n";
    for seed in 1..=3 {
        for machine in [machine().deterministic().seed(seed), machine().threaded()] {
            let told = answers(&machine, script).pop().unwrap();
            assert_eq!(told["violations"], 0, "{told}");
        }
    }
}

#[test]
fn a_violation_in_the_background_that_ends_a_run_in_success() {
    let outcome = machine()
        .deterministic()
        .script(
            "map 0x400000\nwitness start\nwitness\nfault invalidate skip cpu 3 1*\n\
             remap 0x400000\nsleep 50\nwitness\n",
        )
        .unwrap();
    assert_ne!(outcome.status, Status::Success, "{}", outcome.transcript);
    assert!(
        outcome.transcript.contains("on CPU 3 at 0x400000"),
        "{}",
        outcome.transcript
    );
}

#[test]
fn a_page_that_is_shot_down_to_one_cpu_and_judged_on_all() {
    let answers = answers(
        &machine().deterministic(),
        "map 0x400000\n\
         witness start\n\
         witness\n\
         remap 0x400000 noshoot\n\
         shoot page 0x400000 to 1\n\
         witness --json\n\
         witness stop\n",
    );
    let told = &answers[0];
    assert_eq!(told["violations"], 0, "{told}");
    assert_eq!(
        told["pages"][0]["settled_for"],
        serde_json::json!([1]),
        "{told}"
    );
    assert_eq!(told["pages"][0]["cpu1"], "0x2", "{told}");
    assert_eq!(told["pages"][0]["cpu2"], "0x1", "{told}");
}

#[test]
fn a_view_that_shows_nothing_without_a_terminal() {
    for protocol in ["scoreboard", "global-lock", "queue"] {
        let outcome = succeed(
            &machine().deterministic().proto(protocol),
            "map 0x400000\nread 0x400000 on others\nwatch 100 busy\nscoreboard\n",
        );
        let shown = &outcome.transcript;
        for words in [" shootdowns, ", "remapper", protocol, "TLBs of 1"] {
            assert!(shown.contains(words), "{words:?} is not in {shown}");
        }
        assert!(!shown.contains("per second: 0 shootdowns"), "{shown}");
        assert!(!shown.contains('\x1b'), "{shown:?}");
    }
}
