//! The disk images, and every door that they open: a BIOS, UEFI, another emulator, as a CD and as a hard disk.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{KIT, succeed};
use grader::machine::Machine;
use grader::options::{Board, Boot};
use grader::setup::{self, Policy};
use grader::status::Status;
use grader::workspace::Workspace;

/// What must come through every door: the script, and with it the module; the command line; all CPUs, and
/// with them the ACPI tables; RAM, to map and to free.
const SCRIPT: &str = "version\ncpus\nmap 0x400000 64\nread 0x400000 on all\nexpect all last.verdict == fresh\n\
                      remap 0x400000\nunmap 0x400000 64\n";

fn image(folder: &Path) -> Vec<u8> {
    let file = folder.join("disk.iso");
    let made = Command::new(KIT)
        .args(["image", "--append", "seed=7", "--command", "version"])
        .arg("--output")
        .arg(&file)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    fs::read(file).unwrap()
}

#[test]
fn an_image_that_depends_on_when_and_where_it_was_made() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = image(folders[0].path());
    as_a_hard_disk(&folders[0].path().join("disk.iso"));
    // FAT's times count in steps of two seconds.
    sleep(Duration::from_secs(2));
    assert!(
        first == image(folders[1].path()),
        "the images of one kernel differ"
    );
}

/// As a PC's BIOS starts a USB stick.
fn as_a_hard_disk(image: &Path) {
    let qemu = setup::qemu(&Workspace::find().unwrap(), None, Policy::Install).unwrap();
    let output = Command::new(qemu)
        .args([
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-cpu",
            "max",
            "-smp",
            "2",
        ])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"])
        .args(["-serial", "stdio", "-drive"])
        .arg(format!("file={},format=raw,if=virtio", image.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(33), "{said}");
    assert!(
        said.contains("entered by multiboot2") && said.contains("seed        7"),
        "{said}"
    );
}

/// The door's name, as the kernel says it.
#[track_caller]
fn enters(machine: Machine, door: &str) {
    let outcome = succeed(&machine.seed(5), SCRIPT);
    assert!(
        outcome
            .transcript
            .contains(&format!("boot: kernel 0.1.0, entered by {door}\n")),
        "{}",
        outcome.transcript
    );
    assert!(outcome.transcript.contains("seed        5\n"));
    assert!(outcome.transcript.contains("boot: 4 of 4 CPUs, "));
}

#[test]
fn a_door_that_does_not_open_directly() {
    enters(Machine::new(KIT), "PVH");
}

#[test]
fn a_door_that_does_not_open_by_bios() {
    enters(Machine::new(KIT).boot(Boot::Bios), "multiboot2");
}

#[test]
fn a_door_that_does_not_open_by_uefi() {
    enters(Machine::new(KIT).boot(Boot::Uefi).memory(192), "multiboot2");
}

#[test]
fn a_door_that_does_not_open_in_bochs() {
    enters(Machine::new(KIT).board(Board::Bochs), "multiboot2");
}

#[test]
fn a_script_that_fails_on_a_disk_passing_for_success() {
    let outcome = Machine::new(KIT)
        .board(Board::Pc)
        .boot(Boot::Bios)
        .script("expect 1 == 2\n")
        .unwrap();
    assert_eq!(
        outcome.status,
        Status::CommandFailed,
        "{}",
        outcome.transcript
    );
}
