//! Stopped CPUs: shootdowns do not wait for them, and they flush as they resume (I15).

use grader::machine::Machine;
use grader::status::Status;

use crate::common::{KIT, succeed};
use crate::session::gdb;

/// A page that is not where kernel stacks fall in QEMU's TLB.
const PAGE: &str = "0x437000";

/// CPU 2 holds a translation, is stopped, misses the shootdown, and runs on as `resume` says.
fn script(resume: &str) -> String {
    format!(
        "map {PAGE}\nread {PAGE} on 2\nstop 2\nremap {PAGE}\nresume {resume}\nread {PAGE} on 2\n"
    )
}

#[test]
fn a_stopped_cpu_that_a_shootdown_waits_for_or_that_resumes_stale() {
    let outcome = succeed(&Machine::new(KIT).deterministic(), &script("2"));
    let transcript = &outcome.transcript;
    assert!(
        transcript.contains("CPUs 2 are stopped: they were not asked"),
        "{transcript}"
    );
    assert!(!transcript.contains("STALE"), "{transcript}");
    for proto in ["global-lock", "queue"] {
        let machine = Machine::new(KIT).deterministic().proto(proto);
        assert!(
            !succeed(&machine, &script("2")).transcript.contains("STALE"),
            "{proto}"
        );
    }
}

#[test]
fn a_flush_left_out_that_does_not_show() {
    let machine = Machine::new(KIT).deterministic();
    let outcome = machine.script(&script("2 noflush")).unwrap();
    assert!(
        outcome.transcript.contains("STALE"),
        "{}",
        outcome.transcript
    );
}

#[test]
fn a_stopped_cpu_that_hangs_what_goes_on_without_it() {
    let script = "stop 1-2\nshoot global\nstorm rounds=20\nscoreboard\nipi others\nresume\n\
                  storm rounds=20\n";
    succeed(&Machine::new(KIT), script);
    succeed(
        &Machine::new(KIT).threaded(),
        "stop others\nstorm rounds=20\nresume\nstorm rounds=20\n",
    );
}

#[test]
fn a_job_for_a_stopped_cpu_that_waits_for_ever() {
    let outcome = Machine::new(KIT)
        .script("stop 2\nshoot global from 2\n")
        .unwrap();
    assert_eq!(outcome.status, Status::CommandFailed);
    assert!(
        outcome.transcript.contains("CPU 2 is stopped"),
        "{}",
        outcome.transcript
    );
    for wrong in ["stop 0", "resume 2", "stop 9"] {
        let outcome = Machine::new(KIT).script(&format!("{wrong}\n")).unwrap();
        assert_eq!(outcome.status, Status::CommandFailed, "{wrong}");
    }
}

#[test]
fn cpus_held_by_gdb_that_a_shootdown_waits_for_or_that_resume_stale() {
    // The initiator alone runs, from before its shootdown to the end of the command, when it wakes
    // the one who waits for that.
    let script = format!(
        "monitor map {PAGE}\nmonitor read {PAGE} on others\nmonitor remap {PAGE}\n\
         shootdown break pin 0\ncontinue\ndelete\nset scheduler-locking on\n\
         shootdown break local-invalidate 0\ncontinue\ndelete\ntbreak kernel::thread::unpark\ncontinue\n\
         shootdown scoreboard\nshootdown tlb {PAGE}\nset scheduler-locking off\n\
         monitor read {PAGE} on others\nmonitor /stop\ncontinue\n"
    );
    let said = gdb("kernel", &script);
    // Nobody was asked, everybody held on to the old frame, and nobody does any more.
    said.tells(&[
        "CPU 0 is at local-invalidate",
        "2       1 ",
        "STALE",
        "VERDICT",
        "fresh",
        "fresh",
        "fresh",
    ]);
    let end = said.text.rfind("PAGE TABLE SAYS").unwrap();
    assert!(!said.text[end..].contains("STALE"), "{}", said.text);
}
