//! The watchdog: waits that do not end are explained by what is really the matter, and ended as it
//! is set.

mod common;

use common::{KIT, succeed};
use grader::machine::{Machine, Outcome};
use grader::options::Apic;
use grader::status::Status;

/// Four CPUs that share one page, and a wait that is soon too long.
fn machine() -> Machine {
    Machine::new(KIT).deterministic().word("patience=20")
}

const SHARED: &str = "map 0x400000\nread 0x400000 on others\nshoot page 0x400000\n";

/// Runs `script` with a page shared by all; each of `lines` must be among the watchdog's.
#[track_caller]
fn explained(machine: &Machine, script: &str, lines: &[&str]) -> Outcome {
    let outcome = succeed(machine, &format!("{SHARED}{script}"));
    for line in lines {
        let told = outcome
            .transcript
            .lines()
            .any(|told| told.starts_with("watchdog: ") && told.contains(line));
        assert!(told, "{line:?} is not in\n{}", outcome.transcript);
    }
    outcome
}

#[test]
fn a_lost_interrupt_taken_for_something_else() {
    let script = "fault send drop cpu 0 peer 2 1*\n!shoot page 0x400000\n\
        expect hang I2 on 0 culprit 2\nscoreboard\nexpect last.scoreboard[target=2].from_0 == 0\n\
        shoot page 0x400000\nscoreboard\nexpect last.scoreboard[target=2].from_0 == 3\n";
    explained(
        &machine(),
        script,
        &[
            "CPU 0 has waited 20 ms for the acknowledgement of CPU 2, generation 2",
            "CPU 2: slot 0, IRR clear, ISR clear, interrupts on: the interrupt was lost",
            "called by",
            "probably for want of I2; CPU 0 gives up",
        ],
    );
}

#[test]
fn a_missing_eoi_taken_for_a_lost_interrupt() {
    let script = "fault return no-eoi cpu 2 1*\nshoot page 0x400000\n!shoot page 0x400000\n\
        expect hang I18 on 0 culprit 2\n";
    let lines = ["CPU 2: slot 0, IRR set, ISR set, interrupts on: its handler has ended without"];
    explained(&machine(), script, &lines);
}

#[test]
fn initiators_that_wait_for_each_other_with_interrupts_off() {
    // The waits themselves look at the clock: no interrupt is needed for that.
    let script = "fault publish interrupts-off\nfault publish delay 1ms\n\
        !storm rounds=20 initiators=0-1\nexpect hang I7\n";
    let lines = ["interrupts off: it waits for the waiter with interrupts off (I7)"];
    explained(&machine(), script, &lines);
}

#[test]
fn a_handler_that_leaves_early_taken_for_a_lost_interrupt() {
    let script = "fault notice no-drain\n!storm rounds=500\nexpect hang I6\n";
    let lines = ["its handler returned with the request still pending (I6)"];
    explained(&machine(), script, &lines);
}

#[test]
fn a_misdirected_interrupt_taken_for_a_lost_one() {
    let script = "fault send torn to 3 cpu 0 1*\n!shoot page 0x400000 to 1\n\
        expect hang I14 on 0 culprit 1\n";
    let lines = ["the interrupt went to another CPU, which found nothing to do (I14)"];
    explained(&machine().apic(Apic::Xapic), script, &lines);
}

#[test]
fn a_cpu_that_was_sent_to_and_not_zeroed_left_unnamed() {
    let script = "fault zero skip cpu 0 peer 2 1*\n!shoot page 0x400000\n\
        expect hang I11 on 0 culprit 2\n";
    explained(&machine(), script, &["CPU 2: slot 1, ", "(I11)"]);
}

#[test]
fn a_slow_handler_taken_for_a_broken_one() {
    let script = "fault copy delay 200ms cpu 2 1*\n!shoot page 0x400000\n\
        expect hang on 0 culprit 2\n";
    let lines = ["interrupts off, in the handler: its handler is still at work"];
    let outcome = explained(&machine(), script, &lines);
    assert!(
        !outcome.transcript.contains("probably for want"),
        "{}",
        outcome.transcript
    );
}

#[test]
fn a_lost_interrupt_that_resending_does_not_cure() {
    let script = "watchdog resend\nfault send drop cpu 0 peer 2 1*\nshoot page 0x400000\n\
        expect hang I2 on 0 culprit 2\nwatchdog\nexpect last.of_them_unstuck == 1\n";
    let lines = ["CPU 0 sends the IPI again", "CPU 0 got unstuck after"];
    explained(&machine(), script, &lines);
    // A fault that drops the second one as well: the wait is given up.
    let script = "watchdog resend\nfault return no-eoi cpu 2 1*\nshoot page 0x400000\n\
        !shoot page 0x400000\nexpect hang I18\n";
    let lines = [
        "CPU 0 sends the IPI again",
        "CPU 0 gives up: it did not help",
    ];
    explained(&machine(), script, &lines);
}

#[test]
fn a_machine_that_goes_on_after_it_was_to_be_stopped() {
    let script =
        format!("{SHARED}fault send drop cpu 0 peer 2 1*\nshoot page 0x400000\necho not reached\n");
    let outcome = machine().word("watchdog=stop").script(&script).unwrap();
    assert_eq!(outcome.status, Status::Hung, "{}", outcome.transcript);
    assert!(outcome.transcript.contains("CPU 0 stops the machine"));
    assert!(!outcome.transcript.contains("not reached\n"));
}

#[test]
fn a_wait_counted_in_time_where_turns_were_asked_for() {
    let script = "watchdog turns 30K report\nfault copy delay 100ms cpu 2 1*\nshoot page 0x400000\n\
        expect hang on 0 culprit 2\nwatchdog\nexpect last.after_turns == 30720\n";
    let lines = ["CPU 0 goes on waiting", "CPU 0 got unstuck after"];
    explained(&machine(), script, &lines);
    succeed(
        &machine(),
        "!watchdog after 1ms turns 5\n!watchdog sometimes\nwatchdog after 2ms give-up\n\
         expect last.action == \"give-up\"\n",
    );
}

#[test]
fn a_working_machine_that_is_found_stuck() {
    let script = "storm rounds=300\nwatchdog\nexpect last.waits_too_long == 0\n";
    for protocol in ["scoreboard", "global-lock", "queue", "scoreboard-resend"] {
        succeed(&machine().proto(protocol), script);
    }
}

/// `script` ends the machine as one that hangs, and the watchdog tells each of `lines` first.
#[track_caller]
fn hung(script: &str, lines: &[&str]) {
    let machine = Machine::new(KIT).threaded().word("patience=20");
    let outcome = machine.script(script).unwrap();
    assert_eq!(outcome.status, Status::Hung, "{}", outcome.transcript);
    for line in lines {
        assert!(outcome.transcript.contains(line), "{}", outcome.transcript);
    }
}

#[test]
fn a_boot_cpu_that_hangs_without_a_word() {
    hung(
        "crash hang\n",
        &[
            "watchdog: CPU 0 has had interrupts off for ",
            "watchdog:   CPU 0: IRR clear, ISR clear, interrupts off",
            "watchdog:   CPU 3: IRR clear, ISR clear, interrupts on",
            "kernel::thread::idle",
        ],
    );
}

#[test]
fn a_machine_that_hangs_on_every_cpu_without_a_word() {
    hung(
        "crash hang on 1\ncrash hang on 2\ncrash hang on 3\ncrash hang\n",
        &[
            "watchdog: CPU 0 has had interrupts off for ",
            "watchdog:   CPU 1: IRR clear, ISR clear, interrupts off",
            "watchdog:   CPU 2: IRR clear, ISR clear, interrupts off",
            "watchdog:   CPU 3: IRR clear, ISR clear, interrupts off",
        ],
    );
}

#[test]
fn a_deadlock_of_the_kernels_own_locks_without_a_word() {
    hung(
        "crash lock\n",
        &[
            "watchdog: CPU 0 has waited",
            "for the lock",
            "last held by CPU 0",
        ],
    );
}

#[test]
fn a_cpu_that_hangs_taken_for_a_slow_one() {
    let script = "crash hang on 2\n!read 0x400000 on 2\n!shoot page 0x400000\n\
        expect hang on 0 culprit 2\n";
    let outcome = explained(
        &machine(),
        script,
        &["CPU 2: slot 0, IRR set, ISR clear, interrupts off"],
    );
    assert!(
        outcome.transcript.contains("CPU 2 does not respond"),
        "{}",
        outcome.transcript
    );
}

#[test]
fn a_machine_that_goes_on_for_ever() {
    let machine = Machine::new(KIT).deterministic().word("deadline=600");
    let outcome = machine.script("storm rounds=5000000\n").unwrap();
    assert_eq!(outcome.status, Status::Hung, "{}", outcome.transcript);
    let said = "watchdog: the machine has run for ";
    assert!(outcome.transcript.contains(said), "{}", outcome.transcript);
}
