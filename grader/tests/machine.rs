//! The booted machine, from outside: every CPU count, APIC mode and machine type, and how runs end.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{KIT, Ran, succeed};
use grader::child::MachineExit;
use grader::machine::Machine;
use grader::options::{Apic, Board};
use grader::status::Status;
use serde_json::Value;

fn machine() -> Machine {
    Machine::new(KIT)
}

/// The kernel's account of itself: the number of CPUs and the APIC mode.
#[track_caller]
fn account(machine: &Machine) -> (usize, String) {
    let answers = succeed(machine, "version --json\ncpus --json\n").json();
    let [version, cpus] = &answers[..] else {
        panic!("two answers were expected: {answers:?}")
    };
    let up = cpus["cpus"].as_array().unwrap();
    assert!(
        up.iter()
            .enumerate()
            .all(|(index, cpu)| cpu["cpu"] == index),
        "{cpus}"
    );
    (up.len(), version["apic"].as_str().unwrap().to_owned())
}

/// The first command of the README, as it stands there.
#[test]
fn a_first_command_that_does_not_boot() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let page = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let first = page.lines().find_map(|line| line.strip_prefix("$ "));
    let command = first.unwrap().split('#').next().unwrap().trim();
    assert_eq!(command, "cargo run");
    let mut words = command.split(' ');
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"cpus\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let (said, complaint) = (output.stdout, output.stderr);
    let complaint = String::from_utf8_lossy(&complaint);
    assert!(output.status.success(), "{complaint}");
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("tlb> "), "{said}\n{complaint}");
    let rows = said.lines().filter(|line| line.contains("idle "));
    assert_eq!(rows.count(), 3, "{said}\n{complaint}");
}

#[test]
fn a_cpu_that_does_not_come_up() {
    for cpus in [1, 2, 4, 8, 16, 64] {
        for (apic, name) in [(Apic::Xapic, "xapic"), (Apic::X2apic, "x2apic")] {
            let found = account(&machine().cpus(cpus).apic(apic));
            assert_eq!(
                found,
                (cpus as usize, name.to_owned()),
                "{cpus} CPUs, {name}"
            );
        }
    }
}

#[test]
fn a_machine_type_whose_tables_are_misread() {
    for board in [Board::Q35, Board::Microvm, Board::Pc] {
        for cpus in [4, 64] {
            assert_eq!(
                account(&machine().board(board).cpus(cpus)).0,
                cpus as usize,
                "{board:?}"
            );
        }
    }
}

#[test]
fn counted_instructions_that_lose_a_cpu() {
    assert_eq!(account(&machine().cpus(64).deterministic()).0, 64);
    assert_eq!(
        account(&machine().cpus(8).apic(Apic::Xapic).deterministic()).0,
        8
    );
}

#[test]
fn threads_that_lose_a_cpu() {
    assert_eq!(account(&machine().cpus(8).threaded()).0, 8);
}

#[test]
fn an_unoptimised_kernel_that_does_not_fit_its_stacks() {
    assert_eq!(account(&machine().debug_kernel()).0, 4);
}

#[test]
fn little_or_much_memory_that_does_not_boot() {
    for mib in [32, 64, 4096] {
        assert_eq!(account(&machine().memory(mib)).0, 4, "{mib} MiB");
    }
}

#[test]
fn two_runs_of_one_script_that_differ() {
    let script = "version\ncpus\nmap 0x400000\nread 0x400000 on all\nthreads\nstats --json\n";
    let machine = machine().deterministic().seed(7);
    let first = machine.script(script).unwrap();
    assert_eq!(first.transcript, machine.script(script).unwrap().transcript);
    assert!(
        first.transcript.contains("tlb> version\n"),
        "{}",
        first.transcript
    );
}

#[test]
fn a_failed_command_passing_for_success() {
    for (script, stops) in [
        ("no-such-command\n", true),
        ("cpus\nread\ncpus\n", true),
        ("! no-such-command\n", false),
    ] {
        let outcome = machine().script(script).unwrap();
        let expected = if stops {
            Status::CommandFailed
        } else {
            Status::Success
        };
        assert_eq!(outcome.status, expected, "{script}{}", outcome.transcript);
    }
    assert_eq!(
        machine().script("quit 1\n").unwrap().exit,
        Some(MachineExit::CommandFailed)
    );
}

#[test]
fn a_script_that_reboots_for_ever() {
    assert_eq!(
        machine().script("reboot\n").unwrap().status,
        Status::CommandFailed
    );
}

#[test]
fn a_hostile_script_that_wedges_or_crashes_the_kernel() {
    let long = "x".repeat(10_000);
    let lines = [
        long.as_str(),
        "read 0xdeadbeef000",
        "read 0x8000000000000000",
        "shoot page 0x400000 from 99",
        "cpus \u{0}\u{1b}[2J\u{7f}",
        "map 0xffffffff80000000",
        "regs 64",
    ];
    for line in lines {
        let outcome = machine().script(&format!("! {line}\nversion\n")).unwrap();
        assert_eq!(
            outcome.status,
            Status::Success,
            "{line}\n{}\n{}",
            outcome.complaint,
            outcome.transcript
        );
    }
}

#[test]
fn the_interrupt_log_not_showing_the_ipis() {
    let script = "map 0x400000\nread 0x400000 on all\n";
    let outcome = succeed(&machine().cpus(2).int_log(), script);
    assert!(
        outcome.delivered.unwrap().total() > 0,
        "{}",
        outcome.transcript
    );
}

#[test]
fn a_backtrace_without_names() {
    let outcome = succeed(&machine(), "backtrace\n");
    assert!(
        outcome.transcript.contains("shell::"),
        "{}",
        outcome.transcript
    );
}

/// What `kit` prints for piped input.
fn piped(input: &[u8]) -> Ran {
    let mut command = Command::new(KIT);
    command
        .args(["run", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn piped_commands_lost_between_the_pipe_and_the_shell() {
    let ran = piped(b"echo one\necho two\nversion --json\n");
    ran.expect(0, &[]);
    assert!(
        ran.out.contains("\none\n") && ran.out.contains("\ntwo\n"),
        "{ran:#?}"
    );
    let answer = ran
        .out
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).ok());
    assert_eq!(answer.unwrap()["ok"], true);
    assert!(ran.out.ends_with("tlb> "), "{ran:#?}");
}

#[test]
fn binary_noise_that_wedges_the_shell() {
    let mut state = 1_u64;
    let mut noise: Vec<u8> = Vec::new();
    for _ in 0..4000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        noise.push((state >> 56) as u8);
    }
    // Noise may leave an unfinished escape sequence and half a line.
    noise.extend(b"\x03\r\necho still here\r\n");
    let ran = piped(&noise);
    ran.expect(0, &[]);
    assert!(ran.out.contains("still here"), "{ran:#?}");
}

#[test]
fn leaving_the_shell_with_the_wrong_status() {
    piped(b"quit\n").expect(0, &[]);
    piped(b"quit 1\n").expect(1, &[]);
}

/// Bochs, but the first to start says what one says that started at the same time as another.
const RACING: &str = r#"#!/bin/sh
if [ ! -e "${0%/*}/lost" ]; then
    touch "${0%/*}/lost"
    log=$(sed -n 's/^log: //p' "$3")
    echo '00000000000p[RFB   ] >>PANIC<< RFB could not bind any port between 5900 and 5949' > "$log"
    exit 1
fi
PATH=${PATH#*:}
exec bochs-bin "$@"
"#;

#[test]
fn a_bochs_that_loses_the_race_for_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("bochs-bin");
    // Through a child: a file that another test's child holds open for writing cannot be executed.
    let made = Command::new("sh")
        .args(["-c", "printf %s \"$2\" > \"$1\" && chmod +x \"$1\"", "sh"])
        .arg(&program)
        .arg(RACING)
        .status();
    assert!(made.unwrap().success());
    let path = std::env::var("PATH").unwrap();
    let ran = Ran::from(
        Command::new(KIT)
            .args(["run", "--machine", "bochs", "--command", "version"])
            .env("PATH", format!("{}:{path}", folder.path().display()))
            .stdin(Stdio::null())
            .output()
            .unwrap(),
    );
    ran.expect(0, &[]);
    assert!(folder.path().join("lost").exists());
}
