//! What `kit` makes of machines that misbehave: programs in QEMU's place.

mod common;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use common::{BOOT, Fake, KIT, Ran, signal, wait_for, wait_gone};
use grader::status::Status;
use rustix::process::Signal;

#[test]
fn a_machine_that_says_nothing_waited_for_for_ever() {
    let fake = Fake::new("echo $$ > pid; exec sleep 1000");
    let ran = fake.run(&["--boot-timeout", "1"]);
    ran.expect(
        4,
        &[
            "did not boot",
            "wrote nothing",
            "likely cause",
            "by hand: ",
            "-kernel /bin/sh",
        ],
    );
    wait_gone(fake.pid());
}

#[test]
fn a_hang_in_mid_boot_without_the_last_message() {
    let ran = Fake::new("echo 'boot: starting 3 more CPUs'; exec sleep 1000")
        .run(&["--boot-timeout", "1"]);
    ran.expect(
        4,
        &["\"boot: starting 3 more CPUs\"", "application processor"],
    );
}

#[test]
fn a_shell_that_never_prompts_waited_for_for_ever() {
    let ran = Fake::new("echo 'boot: ready'; exec sleep 1000").run(&["--boot-timeout", "1"]);
    ran.expect(4, &["shell thread"]);
}

#[test]
fn endless_garbage_taken_for_progress() {
    let ran =
        Fake::new("while :; do printf '\\377\\000 garbage\\n'; done").run(&["--boot-timeout", "1"]);
    ran.expect(4, &["none of them a boot message"]);
}

#[test]
fn a_triple_fault_passing_for_success() {
    Fake::new("exit 0").run(&[]).expect(9, &["triple fault"]);
    Fake::new(&format!("{BOOT} exit 0"))
        .run(&["--command", "quit"])
        .expect(9, &["triple fault"]);
}

#[test]
fn a_verdict_of_the_kernel_lost_on_the_way() {
    for (qemu, kit) in [
        (33, 0),
        (35, 1),
        (37, 7),
        (39, 8),
        (43, 10),
        (45, 5),
        (1, 5),
    ] {
        Fake::new(&format!("{BOOT} exit {qemu}"))
            .run(&["--command", "cpus"])
            .expect(kit, &[]);
    }
}

#[test]
fn the_reason_qemu_gives_for_not_starting_swallowed() {
    let ran = Fake::new("echo 'qemu: Could not open fw_cfg' >&2; exit 1").run(&[]);
    ran.expect(5, &["status 1", "Could not open fw_cfg"]);
}

#[test]
fn a_program_that_cannot_be_executed_blamed_on_the_kernel() {
    let fake = Fake::new("");
    std::fs::remove_file(fake.file("qemu")).unwrap();
    fake.run(&[]).expect(2, &["not a program"]);
    // An executable file whose interpreter is not there.
    let write = "printf '#!/nonexistent/sh\\n' > qemu; chmod +x qemu";
    Command::new("sh")
        .args(["-c", write])
        .current_dir(fake.file(""))
        .status()
        .unwrap();
    fake.run(&[])
        .expect(5, &["the emulator could not be started"]);
}

#[test]
fn qemu_killed_in_the_middle_passing_for_an_ordinary_end() {
    let ran = Fake::new(&format!("{BOOT} kill -9 $$")).run(&[]);
    ran.expect(5, &["killed by signal 9", "last seen: tlb> "]);
}

#[test]
fn a_reboot_that_is_not_one() {
    let fake = Fake::new(&format!(
        "{BOOT} [ -e again ] && exit 33; touch again; exit 41"
    ));
    let ran = fake.run(&[]);
    ran.expect(0, &["anew"]);
    assert_eq!(ran.out.matches("boot: ready").count(), 2);
    let fake = Fake::new("exit 41");
    fake.run(&[]).expect(4, &["before it has booted"]);
}

#[test]
fn a_script_that_never_ends() {
    let ran = Fake::new(&format!("{BOOT} printf 'storm\\r\\n'; exec sleep 1000")).run(&[
        "--command",
        "storm",
        "--timeout",
        "1",
    ]);
    ran.expect(6, &["did not finish within 1 s", "last seen: tlb> storm"]);
}

#[test]
fn output_lost_when_qemu_ends_before_it_is_read() {
    let fake = Fake::new(&format!(
        "{BOOT} head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end; exit 33"
    ));
    // A reader that starts late meets a machine that has long ended.
    let mut child = fake.kit(&[]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(out.ends_with("x\nend\n"));
    assert_eq!(
        out.len(),
        "boot: hello\nboot: ready\ntlb> ".len() + 3_000_000 + "\nend\n".len()
    );
}

#[test]
fn a_reader_that_went_away_keeping_the_machine_alive() {
    let fake = Fake::new(&format!(
        "echo $$ > pid; {BOOT} while :; do echo more; done"
    ));
    let mut child = fake.kit(&[]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(5));
    wait_gone(fake.pid());
}

#[test]
fn boot_messages_in_a_quiet_run() {
    let ran = Fake::new(&format!("{BOOT} printf 'cpus\\r\\n4\\r\\n'; exit 33")).run(&[
        "--quiet",
        "--command",
        "cpus",
    ]);
    assert_eq!(ran.out, "tlb> cpus\n4\n");
}

#[test]
fn piped_input_that_arrives_cut_or_before_the_shell_is_there() {
    let answer =
        "while read -r line; do printf '%s: got\\r\\ntlb> ' \"$line\"; done; exec sleep 1000";
    // Like a serial port that is reset at boot: what came before is gone.
    let fake = Fake::new(&format!("timeout 0.2 cat > early; {BOOT} {answer}"));
    let mut child = fake
        .kit(&["--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"one\ntwo\n")
        .unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    ran.expect(0, &[]);
    assert_eq!(ran.out, "tlb> one: got\ntlb> two: got\ntlb> ");
}

#[test]
fn an_empty_input_never_ending_the_run() {
    let ran = Fake::new(&format!("{BOOT} exec sleep 1000")).run(&[]);
    ran.expect(0, &[]);
}

#[test]
fn a_signal_that_leaves_qemu_behind() {
    for (number, sent) in [(15, Signal::TERM), (1, Signal::HUP), (2, Signal::INT)] {
        let fake = Fake::new(&format!("echo $$ > pid; {BOOT} exec sleep 1000"));
        let child = fake.kit(&["--command", "storm"]).spawn().unwrap();
        let pid = fake.pid();
        signal(&child, sent);
        Ran::from(child.wait_with_output().unwrap()).expect(128 + number, &[]);
        wait_gone(pid);
    }
}

#[test]
fn a_killed_kit_leaving_qemu_behind() {
    let fake = Fake::new(&format!("echo $$ > pid; {BOOT} exec sleep 1000"));
    let mut child = fake.kit(&["--command", "storm"]).spawn().unwrap();
    let pid = fake.pid();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_gone(pid);
}

#[test]
fn a_helper_of_qemu_left_behind() {
    let fake = Fake::new(&format!("sleep 1000 & echo $! > pid; {BOOT} exit 33"));
    fake.run(&[]).expect(0, &[]);
    let helper = fake.pid();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(helper as i32).unwrap(),
        Signal::KILL,
    )
    .ok();
    let fake = Fake::new(&format!("sleep 1000 & echo $! > pid; {BOOT} wait"));
    fake.run(&["--command", "storm", "--timeout", "1"])
        .expect(6, &[]);
    wait_gone(fake.pid());
}

#[test]
fn a_full_disk_blamed_on_the_machine() {
    let fake = Fake::new(&format!("{BOOT} exit 33"));
    let limited = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    let kit = fake.kit(&["--command", "cpus"]);
    let output = Command::new("sh")
        .args(["-c", limited, "sh"])
        .arg(kit.get_program())
        .args(kit.get_args())
        .output();
    Ran::from(output.unwrap()).expect(5, &["writing the initrd"]);
}

#[test]
fn a_wrong_command_line_booting_something() {
    let cases: [&[&str]; 8] = [
        &["--cpus", "0"],
        &["--cpus", "65"],
        &["--apic", "x3apic"],
        &["--proto", "a b"],
        &["--script", "/nonexistent/script"],
        &["--accel", "kvm", "--deterministic"],
        &["--deterministic", "--threads", "multi"],
        &["--release", "--debug"],
    ];
    for arguments in cases {
        let fake = Fake::new("touch started; exit 33");
        fake.run(arguments).expect(2, &[]);
        assert!(!fake.file("started").exists(), "{arguments:?}");
    }
}

#[test]
fn a_status_missing_from_the_help() {
    let output = Command::new(KIT).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for (status, meaning) in Status::TABLE {
        assert!(
            help.contains(&format!("{:>3}  {meaning}", status.code())),
            "{status:?}"
        );
    }
}

#[test]
fn a_printed_command_that_does_not_run() {
    let fake = Fake::new("echo \"$@\" > arguments; exit 33");
    let printed = fake.run(&[
        "--print-command",
        "--command",
        "cpus; quit 'x'",
        "--seed",
        "7",
    ]);
    printed.expect(0, &[]);
    assert_eq!(printed.out.lines().count(), 1);
    assert!(
        Command::new("sh")
            .args(["-c", &printed.out])
            .status()
            .unwrap()
            .code()
            == Some(33)
    );
    let arguments = std::fs::read_to_string(fake.file("arguments")).unwrap();
    assert!(
        arguments.contains("seed=7 colour=off script"),
        "{arguments}"
    );
    let initrd = arguments.trim_end().rsplit(' ').next().unwrap();
    let archive = wait_for("the initrd", || std::fs::read(initrd).ok());
    assert!(archive.windows(8).any(|window| window == b"quit 'x'"));
    std::fs::remove_file(initrd).unwrap();
}
