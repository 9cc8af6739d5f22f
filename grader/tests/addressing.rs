//! How translations are tagged, where that is not the plain way: Bochs has PCIDs and INVPCID. That a forgotten flush of what an inactive PCID tags shows, no emulator can say, since each drops it
//! anyway: the explorer's scenes do (`grader/MACHINES.md`).

mod common;

use common::{KIT, succeed};
use grader::machine::Machine;
use grader::options::Board;

/// Spaces are left and come back to, several pages and the kernel's are shot down, and ring 3 reads what is fresh.
const SCRIPT: &str = "pcids\nmap 0x400000 8\nread 0x400000 on all\nremap 0x400000\nread 0x400000 on all\n\
                      expect all last.verdict == fresh\nkpage\nunmap 0x400000 8\nstorm rounds=20\n\
                      selftest ring3-fresh\n";

#[track_caller]
fn mode(machine: Machine, mode: &str) {
    let outcome = succeed(&machine, SCRIPT);
    assert!(
        outcome.transcript.contains(&format!("mode     {mode}\n")),
        "{}",
        outcome.transcript
    );
}

fn bochs() -> Machine {
    Machine::new(KIT).board(Board::Bochs)
}

#[test]
fn a_cpu_s_pcids_and_invpcid_that_are_not_used() {
    mode(bochs(), "invpcid");
}

#[test]
fn ring_3_s_own_tables_that_do_not_work_with_invpcid() {
    mode(bochs().word("pti"), "invpcid+pti");
}

#[test]
fn ring_3_s_own_tables_that_do_not_work_without_invpcid() {
    mode(bochs().word("pti").word("noinvpcid"), "pcid+pti");
}

#[test]
fn a_word_that_declines_and_is_not_heeded() {
    mode(bochs().word("noinvpcid"), "pcid");
    mode(bochs().word("nopcid"), "plain");
}

#[test]
fn pcids_used_where_there_are_none() {
    mode(Machine::new(KIT), "plain");
    mode(Machine::new(KIT).word("pti"), "plain");
}
