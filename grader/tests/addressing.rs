//! How translations are tagged and interrupts sent, where that is not the plain way: Bochs has PCIDs and INVPCID, and
//! KVM a hypercall.

mod common;

use std::io::{Write, stderr};

use common::{KIT, succeed};
use grader::kvm;
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
fn isolated_user_tables_whose_flush_is_forgotten_with_invpcid() {
    mode(bochs().word("pti"), "invpcid+pti");
}

#[test]
fn isolated_user_tables_whose_flush_is_forgotten_without_invpcid() {
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

/// Says that a test did not run: past what catches a passing test's output.
fn did_not_run(why: &str) {
    let _ = writeln!(stderr(), "DID NOT RUN: KVM's hypercall: {why}");
}

#[test]
fn interrupts_by_hypercall_that_do_not_arrive() {
    if let Some(why) = kvm::lacks() {
        return did_not_run(&why);
    }
    let machine = Machine::new(KIT).kvm();
    let outcome = succeed(&machine, "transport\n");
    let row = outcome
        .transcript
        .lines()
        .find(|line| line.starts_with("kvm "))
        .unwrap();
    if row.contains("does not offer") {
        return did_not_run("this host's KVM does not offer it");
    }
    succeed(
        &machine,
        "map 0x400000\nread 0x400000 on all\nremap 0x400000\nread 0x400000 on all\n\
         expect all last.verdict == fresh\nbench transports\ntransport x2apic\nremap 0x400000\n",
    );
}
