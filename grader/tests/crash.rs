//! What goes wrong, and how it is told: crashes, a processor that does not come up, a mode that
//! the CPU lacks.

mod common;

use common::{KIT, succeed};
use grader::machine::{Machine, Outcome};
use grader::options::Board;
use grader::status::Status;

fn machine() -> Machine {
    Machine::new(KIT)
}

/// Crashes the kernel as `how` says; the machine must have ended with `status`.
#[track_caller]
fn crash(how: &str, status: Status) -> Outcome {
    let outcome = machine().script(&format!("crash {how}\n")).unwrap();
    assert_eq!(
        outcome.status, status,
        "{how}: {}\n{}",
        outcome.complaint, outcome.transcript
    );
    outcome
}

/// Each of `parts` is in the report, in that order.
#[track_caller]
fn tells(outcome: &Outcome, parts: &[&str]) {
    let mut rest = &outcome.transcript[..];
    for part in parts {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("no `{part}` in\n{}", outcome.transcript));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn a_page_fault_without_cpu_cause_registers_or_callers() {
    let outcome = crash("null on 2", Status::Panicked);
    tells(
        &outcome,
        &[
            "panic: CPU 2: page fault reading 0x0: NULL is never mapped",
            "rax",
            "read_null",
            "backtrace",
            "begin",
        ],
    );
}

#[test]
fn a_report_that_the_second_machine_does_not_end() {
    // It is long by the machine's clock there: the watchdog's NMIs come meanwhile.
    for (how, status) in [
        ("null on 2", Status::Panicked),
        ("stack", Status::Panicked),
        ("hang", Status::Hung),
    ] {
        let machine = machine().board(Board::Bochs).word("watchdog=stop");
        let outcome = machine.script(&format!("crash {how}\n")).unwrap();
        assert_eq!(
            outcome.status, status,
            "{how}: {}\n{}",
            outcome.complaint, outcome.transcript
        );
        assert!(
            outcome.transcript.ends_with('\n'),
            "{how}: its last line is cut"
        );
    }
}

#[test]
fn an_undefined_instruction_without_a_report() {
    tells(
        &crash("undefined", Status::Panicked),
        &[
            "panic: CPU 0: invalid opcode",
            "rip",
            "undefined_instruction",
        ],
    );
}

#[test]
fn a_stack_that_overruns_in_silence() {
    let outcome = crash("stack on 1", Status::Panicked);
    tells(
        &outcome,
        &[
            "panic: CPU 1: ",
            "a stack ran into its guard page",
            "overflow_stack",
        ],
    );
}

#[test]
fn a_broken_rule_that_does_not_stop_the_machine() {
    tells(
        &crash("panic", Status::Panicked),
        &["panic: CPU 0: asked for by the shell", "backtrace"],
    );
}

#[test]
fn a_triple_fault_taken_for_success() {
    crash("reset", Status::Reset);
}

#[test]
fn a_processor_that_does_not_come_up_stopping_the_others() {
    let script = "cpus\nshoot global\nstorm rounds=5\n";
    let outcome = succeed(&machine().word("phantom=77"), script);
    tells(
        &outcome,
        &[
            "the CPU with APIC id 77 did not come up and is left out",
            "4 of 5 CPUs",
            "did not come up",
            "1-3",
        ],
    );
}

#[test]
fn a_mode_that_the_cpu_lacks_taken_for_granted() {
    let outcome = succeed(&machine().word("mode=invpcid+pti"), "version\n");
    tells(
        &outcome,
        &["mode invpcid+pti is refused: this CPU has no PCIDs"],
    );
}

#[test]
fn a_generation_that_wraps_to_pending() {
    let near = machine().cpus(2).generation(u32::MAX - 5).deterministic();
    let outcome = succeed(&near, "storm rounds=20\nscoreboard\n");
    assert!(
        !outcome.transcript.contains("42949672"),
        "no generation went past the wrap:\n{}",
        outcome.transcript
    );
}
