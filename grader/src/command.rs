//! The QEMU command line for a machine.

use std::ffi::OsString;
use std::path::Path;
use std::thread;

use crate::evidence;
use crate::gdb::Channel;
use crate::kvm;
use crate::options::{Accel, Apic, Board, Boot, MachineOptions, Threads};
use crate::setup::OVMF_FILE;
use crate::status::{Failure, Status};

/// What the run adds to the machine the person chose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session {
    /// The initrd holds a script: run it and exit.
    pub script: bool,
    /// The shell may use colours.
    pub colour: bool,
    /// Width of the person's terminal in characters, if there is one.
    pub columns: Option<u16>,
    /// A person waits at the prompt, so speed matters more than keeping the vCPUs in step.
    pub interactive: bool,
}

/// Where the machine's COM1 goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Com1 {
    /// Standard input and output as plain pipes: how kit runs QEMU.
    Pipes,
    /// Standard input and output as a terminal with QEMU's escape key, Ctrl-A x: for a line to paste.
    Terminal,
}

/// Arguments common to all machines. QEMU exits at a reset, so a triple fault ends the run.
const ALWAYS: [&str; 6] = [
    "-nodefaults",
    "-display",
    "none",
    "-no-reboot",
    "-device",
    "isa-debug-exit,iobase=0xf4,iosize=0x04",
];

/// What the machine starts with.
#[derive(Clone, Copy, Debug)]
pub enum Medium<'a> {
    /// The kernel itself, and its initrd.
    Kernel {
        /// The kernel.
        elf: &'a Path,
        /// The initrd.
        initrd: &'a Path,
    },
    /// A disk with both, and the kernel's command line.
    Disk(&'a Path),
}

/// Builds QEMU's arguments.
///
/// # Errors
/// [`Status::Usage`] for a combination that cannot teach anything true.
pub fn arguments(
    options: &MachineOptions,
    session: Session,
    com1: Com1,
    medium: Medium<'_>,
) -> Result<Vec<OsString>, Failure> {
    if options.accel == Accel::Kvm {
        kvm::refuse(options)?;
    }
    if options.deterministic && options.threads == Threads::Multi {
        return Err(Failure::new(
            Status::Usage,
            "--deterministic needs one thread: threads race",
        ));
    }
    let mut arguments: Vec<OsString> = ALWAYS.iter().map(OsString::from).collect();
    let mut push = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    push(&["-machine", &board(options)?]);
    push(&[
        "-smp",
        &options.cpus.to_string(),
        "-m",
        &options.memory.to_string(),
    ]);
    push(&match options.accel {
        Accel::Kvm => ["-cpu", kvm::CPU, "-accel", "kvm"],
        Accel::Tcg => ["-cpu", "max", "-accel", threads(options, session)],
    });
    if options.deterministic {
        push(&[
            "-icount",
            "shift=0,sleep=off",
            "-rtc",
            "base=2020-01-01,clock=vm",
        ]);
    }
    if let Some(seed) = options.seed {
        push(&["-seed", &(seed % (1 << 32)).to_string()]);
    }
    push(match com1 {
        Com1::Pipes => &[
            "-chardev",
            "stdio,id=com1,signal=off",
            "-serial",
            "chardev:com1",
        ],
        Com1::Terminal => &["-serial", "mon:stdio"],
    });
    arguments.extend(options.gdb.iter().flat_map(Channel::arguments));
    if let Some(file) = &options.evidence {
        arguments.extend(evidence::arguments(file));
    }
    if let Some(log) = &options.int_log {
        arguments.extend([
            "-d".into(),
            "int".into(),
            "-D".into(),
            log.clone().into_os_string(),
        ]);
    }
    arguments.extend(start_with(options, session, medium));
    Ok(arguments)
}

/// qboot finds the PVH entry in half the time of SeaBIOS, QEMU's own choice, and provides the ACPI tables just
/// the same.
fn start_with(options: &MachineOptions, session: Session, medium: Medium<'_>) -> Vec<OsString> {
    match medium {
        Medium::Kernel { elf, initrd } => {
            vec![
                "-bios".into(),
                "qboot.rom".into(),
                "-append".into(),
                kernel_words(options, session, elf).into(),
                "-kernel".into(),
                elf.into(),
                "-initrd".into(),
                initrd.into(),
            ]
        }
        Medium::Disk(image) => {
            let mut made: Vec<OsString> = vec!["-cdrom".into(), image.into()];
            if options.boot == Boot::Uefi {
                made.extend(["-bios".into(), OVMF_FILE.into()]);
            }
            made
        }
    }
}

/// The machine type without the devices that only cost start-up time. The 8259s, the PIT and the ISA serial
/// port stay.
fn board(options: &MachineOptions) -> Result<String, Failure> {
    let no = |message: &str| Err(Failure::new(Status::Usage, message));
    Ok(match options.machine {
        Board::Q35 if options.from_disk() => "q35,hpet=off,smbus=off,vmport=off,usb=off".into(),
        Board::Q35 => "q35,hpet=off,sata=off,smbus=off,vmport=off,usb=off".into(),
        Board::Pc => "pc,hpet=off,vmport=off,usb=off".into(),
        Board::Microvm if options.from_disk() => {
            return no("--machine microvm has no disk to start from: --boot direct");
        }
        Board::Microvm => {
            "microvm,pic=on,pit=on,rtc=on,isa-serial=on,acpi=on,auto-kernel-cmdline=off".into()
        }
        Board::Bochs => return no("--machine bochs is not one of QEMU's"),
    })
}

/// One host thread for each vCPU only where each gets a core: spinning vCPUs that share a core wait for
/// each other's time slices. A count of instructions needs one thread in any case.
fn threads(options: &MachineOptions, session: Session) -> &'static str {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let multi = match options.threads {
        Threads::Multi => true,
        Threads::Single => false,
        Threads::Auto => {
            session.interactive && !options.deterministic && cores >= options.cpus as usize
        }
    };
    if multi {
        "tcg,thread=multi"
    } else {
        "tcg,thread=single"
    }
}

/// What a deterministic kernel is told of how long a wait may last.
const DETERMINISTIC_PATIENCE: &str = "patience=500";

/// The command line of the kernel in the file `elf`.
#[must_use]
pub fn kernel_words(options: &MachineOptions, session: Session, elf: &Path) -> String {
    let mut words = Vec::new();
    if options.machine == Board::Bochs {
        words.push("machine=bochs".to_owned());
    }
    if options.apic != Apic::Auto {
        words.push(format!("apic={}", options.apic));
    }
    let proto = options.proto.as_deref();
    let proto = proto.or(options.lab.map(|_| "student"));
    words.extend(proto.map(|name| format!("proto={name}")));
    words.extend(options.seed.map(|seed| format!("seed={seed}")));
    words.extend(
        options
            .generation
            .map(|first| format!("generation={first}")),
    );
    if options.deterministic || options.machine == Board::Bochs {
        // By counted instructions no CPU is slow because of the host: a wait of half a second will
        // not end, and need not be waited for at their pace. Given words come later, and count.
        words.push(DETERMINISTIC_PATIENCE.to_owned());
    }
    words.extend(options.words.iter().cloned());
    words.extend(
        options
            .evidence_key
            .map(|key| format!("evidence={}", evidence::hex(&key))),
    );
    words.push(format!(
        "colour={}",
        if session.colour { "on" } else { "off" }
    ));
    words.extend(session.columns.map(|columns| format!("columns={columns}")));
    if session.script {
        words.push("script".to_owned());
    }
    words.extend(options.gdb.iter().flat_map(|gdb| gdb.words(elf)));
    words.join(" ")
}

/// The command as one line that a POSIX shell reads back as the same words.
#[must_use]
pub fn quoted(program: &Path, arguments: &[OsString]) -> String {
    let words =
        std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
    words
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// One word, as such a shell reads it back.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium() -> Medium<'static> {
        Medium::Disk(Path::new("d"))
    }

    fn words(options: &MachineOptions, session: Session) -> Vec<String> {
        let made = arguments(options, session, Com1::Pipes, medium()).unwrap();
        made.into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_path_with_a_space_or_quote_splitting_the_pasted_line() {
        let line = quoted(
            Path::new("/a b/q"),
            &["it's".into(), "".into(), "-m".into()],
        );
        assert_eq!(line, r"'/a b/q' 'it'\''s' '' -m");
    }

    #[test]
    fn threads_racing_in_a_deterministic_run() {
        let options = MachineOptions {
            cpus: 1,
            deterministic: true,
            ..Default::default()
        };
        let made = words(
            &options,
            Session {
                interactive: true,
                ..Default::default()
            },
        );
        assert!(made.contains(&"tcg,thread=single".to_owned()));
        assert!(made.contains(&"shift=0,sleep=off".to_owned()));
    }

    #[test]
    fn vcpus_outnumbering_cores_given_a_thread_each() {
        let options = MachineOptions {
            cpus: 64,
            ..Default::default()
        };
        if thread::available_parallelism().map_or(1, usize::from) < 64 {
            let made = words(
                &options,
                Session {
                    interactive: true,
                    ..Default::default()
                },
            );
            assert!(made.contains(&"tcg,thread=single".to_owned()));
        }
    }

    #[test]
    fn kvm_accepted_where_staleness_never_shows() {
        let options = MachineOptions {
            accel: Accel::Kvm,
            lab: Some(1),
            ..Default::default()
        };
        let refused = arguments(&options, Session::default(), Com1::Pipes, medium());
        assert_eq!(refused.unwrap_err().status, Status::Usage);
    }

    #[test]
    fn a_choice_that_never_reaches_the_kernel() {
        let options = MachineOptions {
            apic: Apic::X2apic,
            proto: Some("lock".into()),
            seed: Some(7),
            generation: Some(9),
            ..Default::default()
        };
        let session = Session {
            script: true,
            colour: true,
            columns: Some(99),
            interactive: false,
        };
        let expected = "apic=x2apic proto=lock seed=7 generation=9 colour=on columns=99 script";
        assert_eq!(kernel_words(&options, session, Path::new("k")), expected);
    }
}
