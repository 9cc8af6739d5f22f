//! From the sources to a running machine: tools, kernel, initrd, disk, emulator.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sandbox::{Layers, Limits, Starts};
use tempfile::{NamedTempFile, TempDir};

use crate::bochs::{self, Line, Place};
use crate::child::{Emulator, Files};
use crate::command::{Com1, Medium, Session, arguments, kernel_words, quoted};
use crate::console::connect;
use crate::evidence;
use crate::image::{self, Contents, Firmware};
use crate::kernel::Kernel;
use crate::kvm;
use crate::labs;
use crate::options::{Accel, Board, Boot, MachineOptions};
use crate::setup::{self, GRUB, OVMF, Policy};
use crate::status::{Failure, Status};
use crate::wiring::{Finished, Wiring};
use crate::workspace::Workspace;

/// What a machine that nobody trusts may use on the host: ten times what the longest of a lab's takes, or more. What it
/// may do is limited by its own clock as well, so that a slow host makes no difference.
pub const MACHINE: Limits = Limits {
    cpu: 60,
    memory: 2 << 30,
    processes: 32,
    disk: 64 << 20,
    files: 8,
    output: 4 << 20,
    wall: 3600,
};

/// How large such a machine's evidence may become, in bytes: eight times as large as any lab's.
pub const EVIDENCE: u64 = 4 << 20;

/// How often Bochs is started again that lost a race for its port to another.
const RACES: usize = 10;

/// Holding one means everything is there to boot a machine: the emulator, and a kernel built from the sources as
/// they were when it was made.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Where the files of a run are put.
    pub workspace: Workspace,
    /// The kernel.
    pub kernel: Kernel,
    /// The program of QEMU or Bochs.
    pub emulator: PathBuf,
    /// The `kit` program, through which the emulator is started.
    pub launcher: PathBuf,
    /// What confines QEMU, where nobody trusts the kernel that it runs.
    pub confined: Option<Layers>,
    /// How much it may then use.
    pub limits: Limits,
}

impl Prepared {
    /// Finds or installs the tools and builds the kernel, unless `ready_made` names one.
    ///
    /// # Errors
    /// What [`setup`] and [`Kernel::build`] fail with.
    pub fn new(
        workspace: Workspace,
        options: &MachineOptions,
        ready_made: Option<&Path>,
        policy: Policy,
    ) -> Result<Self, Failure> {
        // Everything is asked for before anything is built: a missing tool is told at once.
        let emulator = emulator(&workspace, options, policy)?;
        if options.lab.is_some() && ready_made.is_some() {
            let message =
                "--lab builds a kernel, and --kernel names another: only one can be booted";
            return Err(Failure::new(Status::Usage, message));
        }
        let solution = options
            .lab
            .map(|number| labs::kernel(&workspace, number, options.solution.as_deref()))
            .transpose()?;
        let kernel = match solution.as_deref().or(ready_made) {
            Some(elf) => Kernel::ready_made(&workspace, elf)?,
            None => Kernel::build(
                &workspace,
                &setup::toolchain(&workspace, policy)?,
                options.profile,
            )?,
        };
        let launcher = env::current_exe()
            .map_err(|error| Failure::host(format!("finding kit itself: {error}")))?;
        Ok(Self {
            workspace,
            kernel,
            emulator,
            launcher,
            confined: None,
            limits: MACHINE,
        })
    }

    /// The initrd for a run.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] when it cannot be written.
    pub fn initrd(&self, script: Option<&[u8]>) -> Result<Initrd, Failure> {
        match script {
            None => Ok(Initrd::Kept(self.kernel.initrd.clone())),
            Some(script) => self
                .kernel
                .with_script(&self.workspace, script)
                .map(Initrd::Temporary),
        }
    }

    /// How to boot this machine by hand: the command, or where that needs a disk, how to get both.
    ///
    /// # Errors
    /// As [`print`](Prepared::print).
    pub fn by_hand(
        &self,
        options: &MachineOptions,
        session: Session,
        initrd: &Path,
    ) -> Result<String, Failure> {
        if options.from_disk() {
            return Ok("the same with --print-command prints the command".to_owned());
        }
        self.print(options, session, initrd)
    }

    /// The command to boot this machine by hand, as one line, with COM1 on the terminal; Ctrl-A x leaves QEMU. It
    /// leaves no evidence. What it needs of files is kept.
    ///
    /// # Errors
    /// As [`arguments`].
    pub fn print(
        &self,
        options: &MachineOptions,
        session: Session,
        initrd: &Path,
    ) -> Result<String, Failure> {
        // Nor the key: this is shown to whoever is there.
        let options = MachineOptions {
            evidence: None,
            evidence_key: None,
            ..options.clone()
        };
        if options.machine == Board::Bochs {
            bochs::check(&options)?;
            let place = Place::new(&self.workspace.own_dir()?)?;
            self.disk(&options, session, initrd, &place.image())?;
            let arguments = place.configure(&options, Path::new("/dev/tty"))?;
            place.keep();
            return Ok(quoted(&self.emulator, &arguments));
        }
        let folder = self.qemu_disk(&options, session, initrd)?;
        let arguments = self.arguments(&options, session, Com1::Terminal, initrd, &folder)?;
        let _ = folder.map(TempDir::keep);
        Ok(quoted(&self.emulator, &arguments))
    }

    /// Starts the machine; who calls sees to its pipes.
    ///
    /// # Errors
    /// As [`boot`](Prepared::boot).
    pub fn start(
        &self,
        options: &MachineOptions,
        session: Session,
        initrd: &Path,
    ) -> Result<Emulator, Failure> {
        let options = evidence::with_key(options)?;
        if options.machine == Board::Bochs {
            return self.start_bochs(&options, session, initrd);
        }
        let folder = self.qemu_disk(&options, session, initrd)?;
        let arguments = self.arguments(&options, session, Com1::Pipes, initrd, &folder)?;
        let files = Files::Qemu(folder);
        let policy = self
            .confined
            .map(|layers| self.policy(&options, initrd, layers));
        Emulator::start(
            &self.launcher,
            policy.as_ref(),
            &self.emulator,
            &arguments,
            files,
        )
    }

    /// What QEMU may touch to run this machine: its own files, the kernel's, and those that it is to write.
    fn policy(&self, options: &MachineOptions, initrd: &Path, layers: Layers) -> sandbox::Policy {
        let system = [
            "/usr",
            "/lib",
            "/lib64",
            "/bin",
            "/etc/ld.so.cache",
            "/dev/urandom",
        ];
        let mut readable: Vec<PathBuf> = system.iter().map(PathBuf::from).collect();
        readable.extend([&self.emulator, &self.kernel.elf].map(Clone::clone));
        readable.push(initrd.to_path_buf());
        let written = [&options.evidence, &options.int_log];
        let writable = written.into_iter().flatten().cloned();
        sandbox::Policy {
            readable,
            writable: writable.chain(["/dev/null".into()]).collect(),
            environment: Vec::new(),
            starts: Starts::Threads,
            limits: self.limits,
            layers,
        }
    }

    fn start_bochs(
        &self,
        options: &MachineOptions,
        session: Session,
        initrd: &Path,
    ) -> Result<Emulator, Failure> {
        bochs::check(options)?;
        let start = || {
            let place = Place::new(&self.workspace.own_dir()?)?;
            self.disk(options, session, initrd, &place.image())?;
            let line = Line::new()?;
            let arguments = place.configure(options, &line.name)?;
            let files = Files::Bochs {
                place,
                line,
                evidence: options.evidence.clone(),
                cpus: options.cpus,
            };
            Emulator::start(&self.launcher, None, &self.emulator, &arguments, files)
        };
        for _ in 0..RACES {
            let mut bochs = start()?;
            if !bochs.lost_its_port() {
                return Ok(bochs);
            }
        }
        start()
    }

    /// Writes a disk for the run.
    fn disk(
        &self,
        options: &MachineOptions,
        session: Session,
        initrd: &Path,
        out: &Path,
    ) -> Result<(), Failure> {
        let contents = Contents {
            elf: &self.kernel.elf,
            initrd,
            words: &kernel_words(options, session, &self.kernel.elf),
        };
        let firmware = match options.boot {
            Boot::Uefi => Firmware::Any,
            Boot::Direct | Boot::Bios => Firmware::Bios,
        };
        image::write(&self.workspace, &contents, firmware, out)
    }

    /// A folder with a disk for QEMU, if the machine starts from one.
    fn qemu_disk(
        &self,
        options: &MachineOptions,
        session: Session,
        initrd: &Path,
    ) -> Result<Option<TempDir>, Failure> {
        if !options.from_disk() {
            return Ok(None);
        }
        let folder = TempDir::with_prefix_in("disk-", self.workspace.own_dir()?)
            .map_err(|error| Failure::host(format!("making a folder for the disk: {error}")))?;
        self.disk(options, session, initrd, &disk_in(&folder))?;
        Ok(Some(folder))
    }

    /// Boots the machine and stays connected until something ends. The emulator has ended afterwards.
    ///
    /// # Errors
    /// As [`arguments`], and [`crate::status::Status::Host`] when the emulator cannot be started.
    pub fn boot(
        &self,
        options: &MachineOptions,
        session: Session,
        initrd: &Path,
        wiring: Wiring<'_>,
    ) -> Result<Finished, Failure> {
        let start = Instant::now();
        let mut qemu = self.start(options, session, initrd)?;
        Ok(connect(&mut qemu, wiring, start))
    }

    fn arguments(
        &self,
        options: &MachineOptions,
        session: Session,
        com1: Com1,
        initrd: &Path,
        disk: &Option<TempDir>,
    ) -> Result<Vec<OsString>, Failure> {
        if options.accel == Accel::Kvm {
            kvm::check(options)?;
        }
        let file = disk.as_ref().map(disk_in);
        let medium = match &file {
            Some(file) => Medium::Disk(file),
            None => Medium::Kernel {
                elf: &self.kernel.elf,
                initrd,
            },
        };
        arguments(options, session, com1, medium)
    }
}

fn disk_in(folder: &TempDir) -> PathBuf {
    folder.path().join("disk.iso")
}

/// The program that runs the machine, with what else is needed to start it installed.
///
/// # Errors
/// As [`Prepared::new`].
pub fn emulator(
    workspace: &Workspace,
    options: &MachineOptions,
    policy: Policy,
) -> Result<PathBuf, Failure> {
    if options.from_disk() {
        GRUB.ensure(workspace, policy)?;
    }
    if options.boot == Boot::Uefi {
        OVMF.ensure(workspace, policy)?;
    }
    match options.machine {
        Board::Bochs => setup::bochs(workspace, policy),
        _ => setup::qemu(workspace, options.qemu.as_deref(), policy),
    }
}

/// The initrd of a run; a temporary one is deleted with the value.
#[derive(Debug)]
pub enum Initrd {
    /// The one beside the kernel.
    Kept(PathBuf),
    /// One with a script.
    Temporary(NamedTempFile),
}

impl Initrd {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Initrd::Kept(path) => path,
            Initrd::Temporary(file) => file.path(),
        }
    }

    /// The file, which now stays.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] when it cannot be kept.
    pub fn keep(self) -> Result<PathBuf, Failure> {
        match self {
            Initrd::Kept(path) => Ok(path),
            Initrd::Temporary(file) => {
                let kept = file.keep().map(|(_, path)| path);
                kept.map_err(|error| Failure::host(format!("keeping the initrd: {}", error.error)))
            }
        }
    }
}
