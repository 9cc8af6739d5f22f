//! `kit image`, and the disk images that machines start from: the kernel, its initrd, and GRUB.
//!
//! Equal contents give an equal image, byte for byte. The ISO file is at once a CD, for BIOS and UEFI, and a
//! hard disk, such as a USB stick.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, pod};
use tempfile::TempDir;

use crate::command::kernel_words;
use crate::command::{Session, quote};
use crate::kernel::Kernel;
use crate::options::{MachineOptions, ProfileChoice, kernel_word};
use crate::run;
use crate::say;
use crate::setup::{self, GRUB, Policy};
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// Arguments of `kit image`.
#[derive(Args, Clone, Debug)]
pub struct ImageArgs {
    /// The file to write
    #[arg(long, short, value_name = "FILE", default_value = "shootdown.iso")]
    pub output: PathBuf,

    /// Run the shell commands in FILE (`-` is standard input) instead of showing a prompt
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    pub script: Option<PathBuf>,

    /// Run these shell commands instead of showing a prompt; each `;` ends one
    #[arg(long, value_name = "COMMANDS")]
    pub command: Option<String>,

    /// A word for the kernel's command line, such as `apic=xapic`; may be repeated
    #[arg(long = "append", value_name = "WORD", value_parser = kernel_word)]
    pub words: Vec<String>,

    /// Which build of the kernel.
    #[command(flatten)]
    pub profile: ProfileChoice,
}

/// Writes an image.
///
/// # Errors
/// What building the kernel and [`write()`] fail with.
pub fn image(args: &ImageArgs) -> Result<(), Failure> {
    let script = run::script(args.script.as_deref(), args.command.as_deref())?;
    let workspace = Workspace::find()?;
    GRUB.ensure(&workspace, Policy::Install)?;
    let toolchain = setup::toolchain(&workspace, Policy::Install)?;
    let kernel = Kernel::build(&workspace, &toolchain, args.profile)?;
    let with_script = script
        .as_deref()
        .map(|script| kernel.with_script(&workspace, script))
        .transpose()?;
    let options = MachineOptions {
        words: args.words.clone(),
        ..MachineOptions::default()
    };
    let session = Session {
        script: script.is_some(),
        colour: script.is_none(),
        ..Session::default()
    };
    let contents = Contents {
        elf: &kernel.elf,
        initrd: with_script
            .as_ref()
            .map_or(kernel.initrd.as_path(), |file| file.path()),
        words: &kernel_words(&options, session, &kernel.elf),
    };
    write(&workspace, &contents, Firmware::Any, &args.output)?;
    say::line(format_args!(
        "{} starts by BIOS and UEFI, from a CD or a USB stick; its shell is on the first serial line",
        args.output.display()
    ));
    Ok(())
}

/// What is on the disk.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The kernel.
    pub elf: &'a Path,
    /// Its initrd.
    pub initrd: &'a Path,
    /// Its command line.
    pub words: &'a str,
}

/// Who starts the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS.
    Bios,
    /// A BIOS or UEFI.
    Any,
}

/// The moment that every date on the disk says: the first second of 2000.
const DATE: &str = "2000010100000000";
/// The same, in seconds since 1970.
const EPOCH: &str = "946684800";

/// What of GRUB is on the disk. GRUB under UEFI looks for every kind of partition.
const MODULES: &str = "part_gpt part_msdos part_acorn part_amiga part_bsd part_dfly part_dvh part_plan part_sun \
                       part_sunpc fat iso9660 multiboot2 normal configfile echo";

/// What a person at the screen is told, since the kernel has none.
const NOTE: [&str; 3] = [
    "The TLB-shootdown kernel starts now.",
    "Its shell is on the first serial line (COM1, 115200 baud, 8 data bits, no parity, 1 stop bit).",
    "This screen shows nothing more, whatever is said about a missing console.",
];

/// Writes the disk to `out`, replacing what is there.
///
/// # Errors
/// [`Status::Host`] when a file cannot be written or GRUB's program fails, [`Status::Usage`] when the
/// kernel is none.
pub fn write(
    workspace: &Workspace,
    contents: &Contents<'_>,
    firmware: Firmware,
    out: &Path,
) -> Result<(), Failure> {
    let folder = TempDir::with_prefix_in("image-", workspace.own_dir()?)
        .map_err(|error| Failure::host(format!("making a folder for the image: {error}")))?;
    let tree = folder.path().join("tree");
    fill(&tree, contents)?;
    let made = folder.path().join("iso");
    make(&tree, firmware, &made)?;
    let mut bytes = fs::read(&made).doing("reading", &made)?;
    settle_serial(&mut bytes);
    fs::write(out, bytes).doing("writing", out)
}

fn fill(tree: &Path, contents: &Contents<'_>) -> Result<(), Failure> {
    let boot = tree.join("boot");
    let grub = boot.join("grub");
    fs::create_dir_all(&grub).doing("creating", &grub)?;
    let elf = fs::read(contents.elf).doing("reading", contents.elf)?;
    let kernel = loadable(&elf).ok_or_else(|| {
        let message = format!("{}: no ELF program for x86-64", contents.elf.display());
        Failure::new(Status::Usage, message)
    })?;
    let put = |name: &str, bytes: &[u8]| {
        let file = boot.join(name);
        fs::write(&file, bytes).doing("writing", &file)
    };
    put("kernel", &kernel)?;
    put(
        "initrd",
        &fs::read(contents.initrd).doing("reading", contents.initrd)?,
    )?;
    put("grub/grub.cfg", configuration(contents.words).as_bytes())
}

/// GRUB's script. Its quotes are those of a POSIX shell.
fn configuration(words: &str) -> String {
    let note = NOTE.map(|line| format!("echo {}\n", quote(line))).concat();
    let words: Vec<String> = words.split(' ').map(quote).collect();
    format!(
        "{note}multiboot2 /boot/kernel {}\nmodule2 /boot/initrd\nboot\n",
        words.join(" ")
    )
}

/// The part of an ELF file that is loaded. GRUB would load the sections for debuggers too, all of them.
fn loadable(elf: &[u8]) -> Option<Vec<u8>> {
    let header = FileHeader64::<LittleEndian>::parse(elf).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, elf).ok()?;
    let end = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == PT_LOAD)
        .map(|segment| segment.p_offset(endian) + segment.p_filesz(endian))
        .max()?;
    let mut header = *header;
    header.e_shoff.set(endian, 0);
    header.e_shnum.set(endian, 0);
    header.e_shstrndx.set(endian, 0);
    let mut bytes = elf.get(..usize::try_from(end).ok()?)?.to_vec();
    let head = pod::bytes_of(&header);
    bytes[..head.len()].copy_from_slice(head);
    Some(bytes)
}

fn make(tree: &Path, firmware: Firmware, out: &Path) -> Result<(), Failure> {
    let mut command = Command::new("grub-mkrescue");
    command
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("LC_ALL", "C.UTF-8");
    if firmware == Firmware::Bios {
        command.args(["-d", "/usr/lib/grub/i386-pc"]);
    }
    command.arg("--output").arg(out).arg(tree);
    command.args(["--locales=", "--fonts=", "--themes="]);
    command.arg(format!("--install-modules={MODULES}"));
    command.args([
        "--",
        "-volume_date",
        "uuid",
        DATE,
        "-volume_date",
        "all_file_dates",
        DATE,
    ]);
    command.stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|error| Failure::host(format!("starting grub-mkrescue: {error}")))?;
    if output.status.success() && out.is_file() {
        return Ok(());
    }
    let failure = Failure::host(format!("grub-mkrescue failed ({})", output.status));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    Err(last
        .into_iter()
        .rev()
        .map(|line| line.escape_debug().to_string())
        .fold(failure, Failure::advise))
}

/// Gives the file system for UEFI, which is on the disk, a serial number that does not depend on the moment
/// it was made.
fn settle_serial(image: &mut [u8]) {
    const SECTOR: usize = 2048;
    const SERIAL: usize = 39;
    const KIND: usize = 54;
    for sector in image.chunks_exact_mut(SECTOR) {
        if sector[KIND..].starts_with(b"FAT") && sector[510..512] == [0x55, 0xaa] {
            sector[SERIAL..SERIAL + 4].copy_from_slice(b"TLB\0");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_with_the_debugger_s_sections_on_the_disk() {
        let elf = fs::read(std::env::current_exe().unwrap()).unwrap();
        let kept = loadable(&elf).unwrap();
        assert!(kept.len() < elf.len());
        let header = FileHeader64::<LittleEndian>::parse(&kept[..]).unwrap();
        assert_eq!(header.e_shnum.get(LittleEndian), 0);
        assert!(loadable(b"#!/bin/sh\n").is_none());
    }

    #[test]
    fn a_word_that_grub_reads_as_its_own() {
        let text = configuration("exec=%41;reboot seed=$x script");
        assert!(text.contains("multiboot2 /boot/kernel 'exec=%41;reboot' 'seed=$x' script\n"));
    }

    #[test]
    fn a_serial_number_made_from_the_time() {
        let mut image = vec![0; 3 * 2048];
        image[2048 + 39..][..4].copy_from_slice(&[1, 2, 3, 4]);
        image[2048 + 54..][..3].copy_from_slice(b"FAT");
        image[2048 + 510..][..2].copy_from_slice(&[0x55, 0xaa]);
        settle_serial(&mut image);
        assert_eq!(&image[2048 + 39..][..4], b"TLB\0");
    }
}
