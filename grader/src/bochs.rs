//! Bochs, the second machine: its configuration, and how it ended.
//!
//! It starts from a disk, by its BIOS. COM1 is a terminal of kit's own making; the evidence leaves by its standard
//! output, among words of Bochs' own; the status by its log, since it cannot end with one of the guest's.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tempfile::TempDir;

use crate::child::MachineExit;
use crate::options::{Accel, Boot, MachineOptions, Threads};
use crate::setup::{BOCHS_BIOS, BOCHS_VGA};
use crate::status::{Doing, Failure, Status};

/// The most CPUs, and the most memory in MiB, that the kernel was seen to start with there.
const MOST: (u32, u32) = (8, 2048);

/// Refuses what Bochs cannot do.
///
/// # Errors
/// [`Status::Usage`], with what was expected.
pub fn check(options: &MachineOptions) -> Result<(), Failure> {
    let no = |message: String| Err(Failure::new(Status::Usage, message));
    let (cpus, memory) = MOST;
    if options.cpus > cpus {
        return no(format!("--machine bochs: at most {cpus} CPUs"));
    }
    if options.memory > memory {
        return no(format!("--machine bochs: at most {memory} MiB"));
    }
    for (option, given) in [
        ("--gdb", options.gdb.is_some()),
        ("--int-log", options.int_log.is_some()),
        ("--qemu", options.qemu.is_some()),
        ("--accel kvm", options.accel == Accel::Kvm),
        ("--threads multi", options.threads == Threads::Multi),
        ("--boot uefi", options.boot == Boot::Uefi),
    ] {
        if given {
            return no(format!(
                "--machine bochs: {option} is for QEMU's machines only"
            ));
        }
    }
    Ok(())
}

/// What ends the configuration's lines that never change. `sync=none` and the fixed date make equal runs
/// equal; what Bochs says at `info` level but for its BIOS's ports is thousands of lines.
const FIXED: &str = "\
display_library: rfb, options=\"timeout=0\"
boot: cdrom
panic: action=fatal
error: action=report
info: action=ignore, biosdev=report
debug: action=ignore
port_e9_hack: enabled=1
sound: driver=dummy, waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
mouse: enabled=0
clock: sync=none, rtc_sync=0, time0=946684800
plugin_ctrl: gameport=0, iodebug=0
";

/// The files of a run, which are deleted with the value.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// Makes a folder in `parent`.
    ///
    /// # Errors
    /// [`Status::Host`].
    pub fn new(parent: &Path) -> Result<Place, Failure> {
        TempDir::with_prefix_in("bochs-", parent)
            .map(|folder| Place { folder })
            .map_err(|error| Failure::host(format!("making a folder for Bochs: {error}")))
    }

    /// The disk's file.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.file("disk.iso")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Bochs' standard output, and its standard error.
    ///
    /// # Errors
    /// [`Status::Host`].
    pub fn outputs(&self) -> Result<(File, File), Failure> {
        let make = |name: &str| {
            let file = self.file(name);
            File::create(&file).doing("creating", &file)
        };
        Ok((make("output")?, make("errors")?))
    }

    /// Writes the configuration for `options`, with COM1 on the terminal `com1`. Returns Bochs' arguments.
    ///
    /// Eight instructions count as a microsecond: with fewer the kernel's reports take longer, by its clock, than
    /// it waits for a CPU; with more the firmware's waits cost as many more.
    ///
    /// # Errors
    /// [`Status::Host`].
    pub fn configure(
        &self,
        options: &MachineOptions,
        com1: &Path,
    ) -> Result<Vec<OsString>, Failure> {
        let (rc, commands) = (self.file("bochsrc"), self.file("commands"));
        let text = format!(
            "cpu: model=corei7_haswell_4770, count={}, ips=8000000, reset_on_triple_fault=0\n\
             memory: guest={memory}, host={memory}\n\
             romimage: file={BOCHS_BIOS}\nvgaromimage: file={BOCHS_VGA}\n\
             ata0-master: type=cdrom, path=\"{}\", status=inserted\n\
             log: {}\ncom1: enabled=1, mode=term, dev={}\n{FIXED}",
            options.cpus,
            self.image().display(),
            self.log().display(),
            com1.display(),
            memory = options.memory,
        );
        fs::write(&rc, text).doing("writing", &rc)?;
        // Bochs is built with a debugger, which wants to be told to go on, and to quit when it is entered.
        fs::write(&commands, "c\nq\n").doing("writing", &commands)?;
        let words: [OsString; 5] = [
            "-q".into(),
            "-f".into(),
            rc.into(),
            "-rc".into(),
            commands.into(),
        ];
        Ok(words.into())
    }

    fn log(&self) -> PathBuf {
        self.file("log")
    }

    /// Whether Bochs has lost the race for a port: two that start at once both bind one, as they allow each other to, and
    /// the second to listen there gives up. `None` before it has said anything.
    #[must_use]
    pub fn lost_its_port(&self) -> Option<bool> {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        (!log.is_empty()).then(|| log.contains(NO_PORT))
    }

    /// How the machine ended: what the kernel wrote into the log goes before what Bochs says.
    #[must_use]
    pub fn exit(&self, bochs: MachineExit) -> MachineExit {
        let log = fs::read(self.log()).unwrap_or_default();
        exit(&String::from_utf8_lossy(&log)).unwrap_or(bochs)
    }

    /// What Bochs says of its end, if that was not the kernel's doing.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let errors = fs::read(self.file("errors")).unwrap_or_default();
        let errors = String::from_utf8_lossy(&errors);
        let panics: Vec<&str> = log.lines().filter(|line| line.contains(PANIC)).collect();
        if !panics.is_empty() {
            return panics.join("\n");
        }
        // Every line of its start begins with its time, a row of zeros.
        let errors = errors.lines().filter(|line| !line.starts_with(['0', '=']));
        errors.collect::<Vec<_>>().join("\n")
    }

    /// Copies the evidence from among Bochs' own words into `file`.
    ///
    /// # Errors
    /// [`Status::Host`].
    pub fn keep_evidence(&self, cpus: u32, file: &Path) -> Result<(), Failure> {
        let output = self.file("output");
        let bytes = fs::read(&output).doing("reading", &output)?;
        fs::write(file, evidence(&bytes, cpus)).doing("writing", file)
    }

    /// Has the files stay.
    pub fn keep(self) {
        let _ = self.folder.keep();
    }
}

/// How a line of the log begins that says why Bochs gave up.
const PANIC: &str = ">>PANIC<<";
/// What it says then if it found no port for its display, which is a server.
const NO_PORT: &str = "RFB could not bind any port";
/// How the kernel's line in the log ends.
const STATUS: &str = "kernel: status ";
/// What Bochs says of a triple fault.
const TRIPLE_FAULT: &str = "exception with no resolution";

fn exit(log: &str) -> Option<MachineExit> {
    let status = log
        .lines()
        .find_map(|line| line.split_once(STATUS)?.1.trim().parse().ok());
    match status {
        Some(status) => Some(MachineExit::from_status(status)),
        None => log.contains(TRIPLE_FAULT).then_some(MachineExit::Reset),
    }
}

/// What the debugger says before the first instruction, followed by a line for each CPU.
const START: &[u8] = b"Next at t=0\n";

/// The evidence in Bochs' output: behind what it says at its start, up to the last frame's end, a zero, which
/// nothing that it says at its end contains.
fn evidence(output: &[u8], cpus: u32) -> &[u8] {
    let Some(start) = output.windows(START.len()).position(|at| at == START) else {
        return &[];
    };
    let mut rest = &output[start + START.len()..];
    for _ in 0..cpus {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return &[];
        };
        rest = &rest[end + 1..];
    }
    let end = rest.iter().rposition(|&byte| byte == 0);
    &rest[..end.map_or(0, |end| end + 1)]
}

/// A terminal for COM1: kit's end, Bochs' end, and the latter's name. Bochs' end stays open here, so that what
/// was sent before Bochs ended can still be read.
#[derive(Debug)]
pub struct Line {
    /// What is read here Bochs has sent.
    pub ours: OwnedFd,
    /// Keeps the line up.
    _theirs: OwnedFd,
    /// Where Bochs finds its end.
    pub name: PathBuf,
}

impl Line {
    /// A new one, which passes every byte on as it is.
    ///
    /// # Errors
    /// [`Status::Host`].
    pub fn new() -> Result<Line, Failure> {
        let open = || -> std::io::Result<Line> {
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let ours = openpt(flags)?;
            grantpt(&ours)?;
            unlockpt(&ours)?;
            let name = PathBuf::from(
                ptsname(&ours, Vec::new())?
                    .into_string()
                    .map_err(std::io::Error::other)?,
            );
            let theirs = File::options().read(true).write(true).open(&name)?;
            let mut mode = tcgetattr(&theirs)?;
            mode.make_raw();
            tcsetattr(&theirs, OptionalActions::Now, &mode)?;
            Ok(Line {
                ours,
                _theirs: theirs.into(),
                name,
            })
        };
        open().map_err(|error| Failure::host(format!("making a terminal for Bochs: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triple_fault_or_a_crash_of_bochs_read_as_success() {
        let status = |log: &str| exit(log).map(MachineExit::status);
        let line = "00058284905i[BIOS  ] kernel: status 33\n0p[UNMAP ] >>PANIC<< shutdown\n";
        assert_eq!(status(line), Some(Status::Success));
        let line = "1p[BIOS  ] kernel: status 37\n";
        assert_eq!(status(line), Some(Status::Panicked));
        let fault = "1p[CPU0  ] >>PANIC<< exception(): 3rd (13) exception with no resolution\n";
        assert_eq!(status(fault), Some(Status::Reset));
        assert_eq!(status("1i[BIOS  ] IDE time out\n"), None);
        assert_ne!(
            status("1i[BIOS  ] kernel: status 0\n"),
            Some(Status::Success)
        );
    }

    #[test]
    fn bochs_own_words_in_the_evidence() {
        let output = b"Bochs\nNext at t=0\n(0) [x]\n(1) [y]\n\x02\x01\0(3)\n\0(0).[5] z\n";
        assert_eq!(evidence(output, 2), b"\x02\x01\0(3)\n\0");
        assert_eq!(evidence(b"Bochs\n", 2), b"");
        assert_eq!(evidence(b"Next at t=0\n(0) [x]\n", 2), b"");
    }

    #[test]
    fn a_choice_that_bochs_would_ignore() {
        let bochs = MachineOptions::default();
        assert!(check(&bochs).is_ok());
        for refused in [
            MachineOptions {
                cpus: 9,
                ..bochs.clone()
            },
            MachineOptions {
                int_log: Some("f".into()),
                ..bochs.clone()
            },
            MachineOptions {
                boot: Boot::Uefi,
                ..bochs.clone()
            },
        ] {
            assert_eq!(check(&refused).unwrap_err().status, Status::Usage);
        }
    }
}
