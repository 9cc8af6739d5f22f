//! What a gdb asks, and what it is told.

use crate::fake::{Session, bodies_of, cpu, packet};
use crate::{Access, Ending, Plan, Reason, Register, Stop, Wish};
use shootdown::CpuSet;
use std::string::String;
use std::vec;
use std::vec::Vec;

fn hex(text: &str) -> String {
    text.bytes()
        .map(|byte| std::format!("{byte:02x}"))
        .collect()
}

fn stop(number: usize, reason: Reason) -> Option<Stop> {
    Some(Stop {
        cpu: cpu(number),
        reason,
    })
}

#[test]
fn a_step_reported_on_another_thread() {
    let mut session = Session::greeted();
    session.machine.registers[2][Register::Rip as usize] = 0x1234;
    session.go(stop(2, Reason::Step));
    let report = &bodies_of(&session.line.sent)[0];
    assert!(report.starts_with("T05thread:p01.03;"), "{report}");
    assert!(report.contains("10:3412000000000000;"), "{report}");
}

#[test]
fn a_stop_that_does_not_say_why() {
    for (reason, word) in [
        (Reason::Breakpoint, "T05thread:p01.01;swbreak:;"),
        (Reason::HardwareBreakpoint, "T05thread:p01.01;hwbreak:;"),
        (
            Reason::Watch(0x1008, Access::Write),
            "T05thread:p01.01;watch:1008;",
        ),
        (Reason::Signal(Stop::INTERRUPT), "T02thread:p01.01;"),
    ] {
        let mut session = Session::greeted();
        session.go(stop(0, reason));
        let report = &bodies_of(&session.line.sent)[0];
        assert!(report.starts_with(word), "{report}");
    }
}

/// What a resuming packet asks the machine to do.
fn plan(body: &str) -> Plan {
    let mut session = Session::greeted();
    session.line.input.extend(packet(body));
    match session.go(stop(1, Reason::Step)) {
        Ending::Resume(plan) => plan,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_that_leaves_the_others_standing_or_a_locked_one_that_does_not() {
    let all = CpuSet::first(3);
    let one = CpuSet::only(cpu(1));
    assert_eq!(
        (plan("vCont;c").run, plan("vCont;c").step),
        (all, CpuSet::EMPTY)
    );
    let open = plan("vCont;s:p1.2;c:p1.-1");
    assert_eq!((open.run, open.step), (all, one));
    let locked = plan("vCont;s:p1.2");
    assert_eq!((locked.run, locked.step), (one, one));
    let alone = plan("vCont;c:p1.2");
    assert_eq!((alone.run, alone.step), (one, CpuSet::EMPTY));
}

#[test]
fn a_range_that_is_stepped_once() {
    assert_eq!(
        plan("vCont;r1000,1010:p1.2;c:p1.-1").range,
        Some((0x1000, 0x1010))
    );
    assert_eq!(plan("vCont;s:p1.2").range, None);
}

#[test]
fn memory_that_gdb_reads_wrong() {
    let mut session = Session::greeted();
    session.machine.memory[..4].copy_from_slice(&[1, 2, 0xab, 0xcd]);
    assert_eq!(
        session.ask(&["m1000,4", "m8ffe,4", "m9000,1", "m0,1"]),
        ["0102abcd", "0000", "E0e", "E0e"]
    );
    assert_eq!(
        session.ask(&["M1000,2:beef", "m1000,4"]),
        ["OK", "beefabcd"]
    );
    assert_eq!(session.ask(&["M8fff,2:beef"]), ["E0e"]);
}

#[test]
fn physical_addresses_taken_for_virtual_ones() {
    let mut session = Session::greeted();
    session.ask(&["m1000,4"]);
    assert_eq!(session.machine.physical_reads.get(), 0);
    assert_eq!(
        session.ask(&["Qqemu.PhyMemMode:1", "qqemu.PhyMemMode", "m1000,1"]),
        ["OK", "1", "00"]
    );
    // It lasts beyond the stop.
    session.ask(&["m1000,4"]);
    assert_eq!(session.machine.physical_reads.get(), 2);
}

#[test]
fn registers_of_the_wrong_cpu() {
    let mut session = Session::greeted();
    session.machine.registers[0][Register::Rax as usize] = 0x11;
    session.machine.registers[2][Register::Rax as usize] = 0x33;
    let answers = session.ask(&["Hgp1.3", "p0", "Hgp1.1", "p0"]);
    assert_eq!(answers[1], "3300000000000000");
    assert_eq!(answers[3], "1100000000000000");
    // The CPU that stops next is the one that is meant.
    assert_eq!(session.ask(&["p0"]), ["0000000000000000"]);
    assert_eq!(
        session.ask(&["P0=2100000000000000", "p0"]),
        ["OK", "2100000000000000"]
    );
    assert_eq!(session.machine.registers[1][0], 0x21);
}

#[test]
fn a_register_that_cannot_be_changed_reported_as_changed() {
    let mut session = Session::greeted();
    let cr3 = std::format!("P{:x}=0000000000000001", Register::Cr3 as usize);
    assert!(session.ask(&[&cr3])[0].starts_with('E'));
    assert!(
        session.ask(&["P2e=00000000000000000001"])[0].starts_with('E'),
        "st7"
    );
}

#[test]
fn a_description_that_does_not_match_the_registers() {
    let mut session = Session::greeted();
    let mut xml = String::new();
    loop {
        let ask = std::format!("qXfer:features:read:target.xml:{:x},100", xml.len());
        let answer = session.ask(&[&ask]).remove(0);
        if answer == "l" {
            break;
        }
        xml.push_str(answer.strip_prefix('m').expect("more"));
    }
    assert!(xml.ends_with("</target>"));
    let all = session.ask(&["g"]).remove(0);
    let sizes: usize = Register::ALL.iter().map(|register| register.size()).sum();
    assert_eq!(all.len(), 2 * sizes);
    for register in Register::ALL {
        let line = std::format!(
            "name=\"{}\" bitsize=\"{}\"",
            register.name(),
            register.size() * 8
        );
        assert!(xml.contains(&line), "{line}");
    }
    assert_eq!(session.ask(&["p27"]), ["xx".repeat(10)], "st0 has no value");
}

#[test]
fn a_new_gdb_that_inherits_breakpoints() {
    let mut session = Session::greeted();
    session.ask(&["Z0,1010,1", "Z2,1020,8", "vCont;c"]);
    assert_eq!(
        (
            session.machine.breakpoints.len(),
            session.machine.watches.len()
        ),
        (1, 1)
    );
    session.ask(&["qSupported:multiprocess+"]);
    assert!(session.machine.breakpoints.is_empty() && session.machine.watches.is_empty());
}

#[test]
fn breakpoints_left_behind_by_a_gdb_that_detached() {
    let mut session = Session::greeted();
    assert_eq!(session.ask(&["Z0,1010,1", "D;1"]), ["OK", "OK"]);
    assert!(session.machine.breakpoints.is_empty());
    assert!(!session.stub.attached());
}

#[test]
fn a_kill_without_an_answer() {
    let mut session = Session::greeted();
    session.line.input.extend(packet("vKill;1"));
    assert_eq!(session.go(stop(0, Reason::Step)), Ending::Killed);
    assert_eq!(bodies_of(&session.line.sent)[1], "OK");
    let mut session = Session::greeted();
    session.line.input.extend(packet("k"));
    assert_eq!(session.go(stop(0, Reason::Step)), Ending::Killed);
}

#[test]
fn a_command_of_the_monitor_that_is_lost() {
    let mut session = Session::greeted();
    let ask = std::format!("qRcmd,{}", hex("shoot page 0x400000"));
    let kept = std::format!("O{}", hex("kept\n"));
    assert_eq!(session.ask(&[&ask]), [&kept, "OK"]);
    assert_eq!(session.machine.commands, ["shoot page 0x400000"]);
}

#[test]
fn a_tlb_of_another_cpu_that_is_asked() {
    let mut session = Session::greeted();
    assert_eq!(
        session.ask(&[
            "qkit.Probe:2,1000",
            "qkit.Probe:1,1000",
            "qkit.Probe:1,2000"
        ]),
        ["hit,0000000000000abc", "miss,0000000000000abc", "E0e"]
    );
    for nonsense in [
        "qkit.Probe:",
        "qkit.Probe:9,1000",
        "qkit.Probe:1,1001",
        "qkit.Probe:1",
    ] {
        assert_eq!(session.ask(&[nonsense]), ["E22"], "{nonsense}");
    }
}

#[test]
fn threads_without_names() {
    let mut session = Session::greeted();
    assert_eq!(
        session.ask(&["qfThreadInfo", "qsThreadInfo", "qThreadExtraInfo,p1.3"]),
        ["mp01.02,p01.01,p01.03", "l", &hex("CPU 2: idle")]
    );
}

#[test]
fn symbols_that_gdb_has_to_be_told_by_hand() {
    let mut session = Session::greeted();
    assert_eq!(
        session.ask(&[
            "qXfer:exec-file:read:1:0,100",
            "qXfer:exec-file:read:1:7,100",
            "qOffsets"
        ]),
        ["m/kernel", "l", "Text=00;Data=00;Bss=00"]
    );
}

#[test]
fn a_question_to_a_running_machine_that_is_lost() {
    let mut session = Session::new();
    let mut wishes: Vec<Wish> = vec![];
    for byte in packet("qSupported:multiprocess+") {
        wishes.push(session.stub.while_running(byte, &mut session.line));
    }
    assert_eq!(wishes.pop(), Some(Wish::Attach));
    assert!(wishes.iter().all(|wish| *wish == Wish::Nothing));
    session.go(None);
    assert!(session.line.sent.starts_with(b"+$PacketSize="));
    // Nobody is attached to be interrupted any more: the line was closed.
    assert_eq!(
        session.stub.while_running(3, &mut session.line),
        Wish::Nothing
    );
}

#[test]
fn ctrl_c_of_nobody_that_stops_the_machine() {
    let mut session = Session::new();
    assert_eq!(
        session.stub.while_running(3, &mut session.line),
        Wish::Nothing
    );
}

#[test]
fn a_lost_answer_that_is_not_sent_again() {
    let mut session = Session::new();
    session.line.input.extend(packet("qAttached"));
    session.line.input.extend(b"-");
    session.go(None);
    assert_eq!(session.line.sent, b"+$1#31$1#31");
}

#[test]
fn output_that_gdb_cannot_read() {
    let mut session = Session::greeted();
    session.stub.print(b"served 3\n", &mut session.line);
    assert_eq!(
        bodies_of(&session.line.sent),
        [std::format!("O{}", hex("served 3\n"))]
    );
}
