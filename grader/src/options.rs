//! What machine to boot: the choices a person makes on the command line and a test makes in code.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use evidence::Key;

use crate::evidence::parse_key;
use crate::gdb::Channel;
use crate::watchdog::BootWatch;

/// The machine to boot and how to run it. [`MachineOptions::default`] is what a plain `kit run` boots.
#[derive(Args, Clone, Debug)]
pub struct MachineOptions {
    /// Number of CPUs, 1 to 64
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub cpus: u32,

    /// Memory in MiB, 32 to 65536
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(32..=65536))]
    pub memory: u32,

    /// The machine: one of QEMU's types, or Bochs
    #[arg(long, value_enum, default_value_t)]
    pub machine: Board,

    /// How the machine comes by the kernel
    #[arg(long, value_enum, default_value_t)]
    pub boot: Boot,

    /// Local APIC mode
    #[arg(long, value_enum, default_value_t)]
    pub apic: Apic,

    /// Boot the kernel with a solution of lab N in it, as protocol `student`: your own copy, or --solution
    #[arg(long, value_name = "N")]
    pub lab: Option<u8>,

    /// With --lab: the solution
    #[arg(long, value_name = "FILE", requires = "lab")]
    pub solution: Option<PathBuf>,

    /// Shootdown protocol to start with (the shell's `proto` lists them)
    #[arg(long, value_name = "NAME", value_parser = word)]
    pub proto: Option<String>,

    /// First shootdown generation, so that a test can start near the wrap
    #[arg(long, value_name = "N", value_parser = number)]
    pub generation: Option<u32>,

    /// Seed of everything random in the machine
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// A further word for the kernel's command line, such as `patience=1000`; may be repeated
    #[arg(long = "append", value_name = "WORD", value_parser = kernel_word)]
    pub words: Vec<String>,

    /// Count instructions instead of time: the same input gives the same transcript, byte for byte
    #[arg(long)]
    pub deterministic: bool,

    /// How QEMU executes the vCPUs
    #[arg(long, value_enum, default_value_t)]
    pub accel: Accel,

    /// Host threads for the vCPUs
    #[arg(long, value_enum, default_value_t)]
    pub threads: Threads,

    /// QEMU program to use instead of the one in PATH
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,

    /// Have QEMU log every delivered interrupt to FILE
    #[arg(long, value_name = "FILE")]
    pub int_log: Option<PathBuf>,

    /// Have every CPU record what it does, and write it to FILE, in the format of the evidence channel; FILE.key
    /// gets the key that vouches for it. After `reboot` FILE holds the last machine's
    #[arg(long, value_name = "FILE")]
    pub evidence: Option<PathBuf>,

    /// Use this key, 32 hexadecimal digits, instead of a new one: equal runs then leave equal files
    #[arg(long, value_name = "HEX", requires = "evidence", value_parser = parse_key)]
    pub evidence_key: Option<Key>,

    /// The way to gdb, if there is one.
    #[arg(skip)]
    pub gdb: Option<Channel>,

    /// Which build of the kernel to boot.
    #[command(flatten)]
    pub profile: ProfileChoice,
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self {
            cpus: 4,
            memory: 128,
            machine: Board::default(),
            boot: Boot::default(),
            apic: Apic::default(),
            lab: None,
            solution: None,
            proto: None,
            generation: None,
            seed: None,
            words: Vec::new(),
            deterministic: false,
            accel: Accel::default(),
            threads: Threads::default(),
            qemu: None,
            int_log: None,
            evidence: None,
            evidence_key: None,
            gdb: None,
            profile: ProfileChoice::default(),
        }
    }
}

/// Which build of the kernel.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ProfileChoice {
    /// Boot the optimised kernel (the default)
    #[arg(long, conflicts_with = "debug")]
    pub release: bool,

    /// Boot the unoptimised kernel
    #[arg(long)]
    pub debug: bool,
}

/// The machines that the kernel boots on: QEMU's types, and another emulator.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Board {
    /// Intel's Q35 chipset, with PCI Express
    #[default]
    Q35,
    /// QEMU's own minimal machine, without PCI
    Microvm,
    /// The old PC, with the i440FX chipset
    Pc,
    /// The emulator Bochs: global translations outlive a CR3 write, and there are PCIDs and INVPCID. It
    /// counts instructions always, and starts from a disk
    Bochs,
}

/// The ways in.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Boot {
    /// The quickest: QEMU enters the kernel itself, by PVH; Bochs' BIOS starts a disk
    #[default]
    Direct,
    /// A BIOS starts a disk, by GRUB and multiboot2
    Bios,
    /// UEFI does
    Uefi,
}

impl MachineOptions {
    /// Whether the machine starts from a disk.
    #[must_use]
    pub fn from_disk(&self) -> bool {
        self.boot != Boot::Direct || self.machine == Board::Bochs
    }

    /// The time without progress after which its boot is given up. Firmware and GRUB say nothing that counts, and
    /// take long on a busy host.
    #[must_use]
    pub fn patience(&self) -> Duration {
        BootWatch::PATIENCE * if self.from_disk() { 5 } else { 1 }
    }
}

/// The local APIC mode asked of the kernel.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[value(rename_all = "lower")]
pub enum Apic {
    /// The newest mode the machine has
    #[default]
    Auto,
    /// Registers in memory; an IPI takes two writes
    Xapic,
    /// Registers are MSRs; an IPI takes one
    X2apic,
}

impl fmt::Display for Apic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Apic::Auto => "auto",
            Apic::Xapic => "xapic",
            Apic::X2apic => "x2apic",
        })
    }
}

/// QEMU's accelerators.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accel {
    /// Translated: keeps a stale TLB entry until it is invalidated, as hardware does
    #[default]
    Tcg,
    /// The host's own processor, by KVM: for measuring, and for its hypercall that sends interrupts. Stale entries may
    /// not show, so lessons that need them refuse it
    Kvm,
}

/// Host threads for the vCPUs.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// One each when a person waits and the host has a core for each
    #[default]
    Auto,
    /// One for all, in turns
    Single,
    /// One each
    Multi,
}

/// A word of the kernel's command line, which has no way to quote a space.
fn word(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match text.chars().all(plain) && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err("a name of letters, digits, '-', '_' and '.' was expected".to_owned()),
    }
}

/// One word of the kernel's command line.
///
/// # Errors
/// What was expected.
pub fn kernel_word(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_graphic() && !"\"',".contains(c);
    match text.chars().all(plain) && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err("one word was expected, without quotes and commas".to_owned()),
    }
}

/// A decimal or `0x` number.
fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "a number from 0 to 0xffffffff was expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        options: MachineOptions,
    }

    #[test]
    fn the_default_in_code_drifting_from_the_command_line_s() {
        let parsed = Only::parse_from(["kit"]).options;
        assert_eq!(
            format!("{parsed:?}"),
            format!("{:?}", MachineOptions::default())
        );
    }

    #[test]
    fn a_protocol_name_smuggling_in_a_second_word() {
        assert!(word("scoreboard script").is_err());
        assert!(word("").is_err());
        assert_eq!(word("global-lock").as_deref(), Ok("global-lock"));
    }

    #[test]
    fn a_generation_near_the_wrap_refused() {
        assert_eq!(number("0xfffffffe"), Ok(u32::MAX - 1));
        assert!(number("0x100000000").is_err());
        assert!(number("-1").is_err());
    }
}
