//! The machine for tests: a script in, its transcript and verdict out.
//!
//! The kernel is built once in a process, with what is missing installed first, as `kit run` does.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use evidence::Key;
use rustix::stdio;
use sandbox::{Layers, Limit, Limits};

use crate::child::MachineExit;
use crate::command::Session;
use crate::input::Source;
use crate::launch::{EVIDENCE, MACHINE, Prepared, emulator};
use crate::options::{Accel, Apic, Board, Boot, MachineOptions, Threads};
use crate::output::Output;
use crate::setup::Policy;
use crate::status::{Doing, Failure, Status};
use crate::verdict::{Kind, judge};
use crate::watchdog::Goal;
use crate::wiring::{Ending, Finished, Wiring};
use crate::witness::Delivered;
use crate::workspace::Workspace;

/// A machine to run scripts in, built up by its methods. Each run boots anew.
#[derive(Clone, Debug)]
pub struct Machine {
    options: MachineOptions,
    launcher: PathBuf,
    timeout: Duration,
    int_log: bool,
    kernel: Option<PathBuf>,
    confined: Option<Layers>,
    limits: Limits,
    patience: Option<Duration>,
}

/// How a script ended and what it left.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What `kit run --script` ends with.
    pub status: Status,
    /// How the machine ended; `None` when it was ended at the time limit or did not boot.
    pub exit: Option<MachineExit>,
    /// Which of its limits a confined QEMU used up, if that ended it.
    pub limit: Option<Limit>,
    /// All that the machine wrote to COM1, with plain newlines; what is not UTF-8 is replaced.
    pub transcript: String,
    /// What QEMU logged as delivered, if that was asked for.
    pub delivered: Option<Delivered>,
    /// What kit says about a run that did not succeed; else empty.
    pub complaint: String,
    /// From the start of QEMU to its end.
    pub elapsed: Duration,
}

impl Outcome {
    /// The transcript without the kernel's boot messages.
    #[must_use]
    pub fn script_transcript(&self) -> String {
        let lines = self.transcript.split_inclusive('\n');
        lines.filter(|line| !line.starts_with("boot: ")).collect()
    }

    /// The output of each command that answered with JSON, in order.
    #[must_use]
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.transcript
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(is_object)
            .collect()
    }
}

fn is_object(value: &serde_json::Value) -> bool {
    value.is_object()
}

impl Machine {
    /// Four CPUs, as `kit run`. `kit` is the program that starts QEMU: in a test of this package
    /// `env!("CARGO_BIN_EXE_kit")`.
    #[must_use]
    pub fn new(kit: impl Into<PathBuf>) -> Self {
        let timeout = Duration::from_secs(120);
        Self {
            options: MachineOptions::default(),
            launcher: kit.into(),
            timeout,
            int_log: false,
            kernel: None,
            confined: None,
            limits: MACHINE,
            patience: None,
        }
    }

    /// Number of CPUs, 1 to 64.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.options.cpus = cpus;
        self
    }

    /// Memory in MiB.
    #[must_use]
    pub fn memory(mut self, mib: u32) -> Self {
        self.options.memory = mib;
        self
    }

    /// QEMU machine type.
    #[must_use]
    pub fn board(mut self, board: Board) -> Self {
        self.options.machine = board;
        self
    }

    /// How the machine comes by the kernel.
    #[must_use]
    pub fn boot(mut self, boot: Boot) -> Self {
        self.options.boot = boot;
        self
    }

    /// Local APIC mode.
    #[must_use]
    pub fn apic(mut self, apic: Apic) -> Self {
        self.options.apic = apic;
        self
    }

    /// Protocol to start with.
    #[must_use]
    pub fn proto(mut self, name: &str) -> Self {
        self.options.proto = Some(name.to_owned());
        self
    }

    /// First generation.
    #[must_use]
    pub fn generation(mut self, first: u32) -> Self {
        self.options.generation = Some(first);
        self
    }

    /// A further word of the kernel's command line.
    #[must_use]
    pub fn word(mut self, word: &str) -> Self {
        self.options.words.push(word.to_owned());
        self
    }

    /// Seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(seed);
        self
    }

    /// Instructions are counted: equal scripts give equal transcripts.
    #[must_use]
    pub fn deterministic(mut self) -> Self {
        self.options.deterministic = true;
        self
    }

    /// The host's own processor, by KVM.
    #[must_use]
    pub fn kvm(mut self) -> Self {
        self.options.accel = Accel::Kvm;
        self
    }

    /// A host thread for each vCPU, cores or not.
    #[must_use]
    pub fn threaded(mut self) -> Self {
        self.options.threads = Threads::Multi;
        self
    }

    /// The unoptimised kernel.
    #[must_use]
    pub fn debug_kernel(mut self) -> Self {
        self.options.profile.debug = true;
        self
    }

    /// Boots this kernel instead of building the kit's own.
    #[must_use]
    pub fn kernel(mut self, elf: impl Into<PathBuf>) -> Self {
        self.kernel = Some(elf.into());
        self
    }

    /// Confines QEMU by what the host offers: for a kernel that nobody trusts.
    #[must_use]
    pub fn confined(mut self, layers: Option<Layers>) -> Self {
        self.confined = layers;
        self
    }

    /// The CPU time in seconds that a confined QEMU may use, in place of [`MACHINE`]'s.
    #[must_use]
    pub fn cpu_seconds(mut self, seconds: u64) -> Self {
        self.limits.cpu = seconds;
        self
    }

    /// Has QEMU log every delivered interrupt: about 1.3 kB each, so not for long runs.
    #[must_use]
    pub fn int_log(mut self) -> Self {
        self.int_log = true;
        self
    }

    /// Has the kernel record everything and write its evidence to `file`, under `key`.
    #[must_use]
    pub fn evidence(mut self, file: impl Into<PathBuf>, key: Key) -> Self {
        self.options.evidence = Some(file.into());
        self.options.evidence_key = Some(key);
        self
    }

    /// Wall-clock limit for a run; 120 s unless set. It guards against hangs and decides nothing else.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Waits for a boot as long as for the whole run.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.patience = Some(self.timeout);
        self
    }

    /// Boots and runs a script to its end.
    ///
    /// # Errors
    /// What kept the machine from being started at all; how a started one ended is in the [`Outcome`].
    pub fn script(&self, script: &str) -> Result<Outcome, Failure> {
        let prepared = self.prepared()?;
        let log = if self.int_log {
            Some(self.log_file(&prepared)?)
        } else {
            None
        };
        let mut options = self.options.clone();
        options.int_log = log.as_ref().map(|file| file.path().to_path_buf());
        let initrd = prepared.initrd(Some(script.as_bytes()))?;
        let session = Session {
            script: true,
            ..Session::default()
        };
        let mut wiring = self.wiring(false);
        if self.confined.is_some() {
            // The system cuts a file at the limit, and QEMU takes no notice.
            let log = options
                .int_log
                .iter()
                .map(|file| (file.clone(), self.limits.disk - 1));
            let evidence = options.evidence.iter().map(|file| (file.clone(), EVIDENCE));
            wiring.files = log.chain(evidence).collect();
        }
        let finished = prepared.boot(&options, session, initrd.path(), wiring)?;
        let by_hand = prepared.by_hand(&options, session, initrd.path())?;
        let mut outcome = outcome(finished, &by_hand);
        if let Some(log) = log {
            outcome.delivered = Some(Delivered::read(log.path()).doing("reading", log.path())?);
        }
        Ok(outcome)
    }

    /// Boots to the prompt, and no further. Returns the time from the start of QEMU.
    ///
    /// # Errors
    /// Also when the machine did not boot.
    pub fn boot_time(&self) -> Result<Duration, Failure> {
        let prepared = self.prepared()?;
        let (session, initrd) = (Session::default(), prepared.initrd(None)?);
        let finished = prepared.boot(&self.options, session, initrd.path(), self.wiring(true))?;
        judge(
            &finished,
            Kind::Shell,
            &prepared.by_hand(&self.options, session, initrd.path())?,
        )?;
        finished
            .prompt_after
            .ok_or_else(|| Failure::new(Status::NotBooted, "the machine ended before its prompt"))
    }

    fn wiring(&self, until_prompt: bool) -> Wiring<'static> {
        Wiring {
            source: Source::None,
            from: stdio::stdin(),
            output: Output::kept(),
            terminal: None,
            signals: None,
            goal: if until_prompt {
                Goal::Prompt
            } else {
                Goal::Ready
            },
            patience: self.patience.unwrap_or_else(|| self.options.patience()),
            timeout: Some(self.timeout),
            most: self.confined.map(|_| self.limits.output),
            files: Vec::new(),
            until_prompt,
        }
    }

    fn log_file(&self, prepared: &Prepared) -> Result<tempfile::NamedTempFile, Failure> {
        let made = tempfile::Builder::new()
            .prefix("int-")
            .tempfile_in(prepared.workspace.own_dir()?);
        made.map_err(|error| Failure::host(format!("making the interrupt log: {error}")))
    }

    fn prepared(&self) -> Result<Prepared, Failure> {
        // One cargo call for all tests of a process, however many threads ask.
        static BUILT: [OnceLock<Result<Prepared, Failure>>; 2] = [const { OnceLock::new() }; 2];
        let build = || {
            Prepared::new(
                Workspace::find()?,
                &self.options,
                self.kernel.as_deref(),
                Policy::Install,
            )
        };
        if self.kernel.is_some() {
            return build().map(|prepared| Prepared {
                launcher: self.launcher.clone(),
                confined: self.confined,
                limits: self.limits,
                ..prepared
            });
        }
        let prepared = BUILT[usize::from(self.options.profile.debug)]
            .get_or_init(build)
            .clone()?;
        Ok(Prepared {
            launcher: self.launcher.clone(),
            confined: self.confined,
            limits: self.limits,
            emulator: emulator(&prepared.workspace, &self.options, Policy::Install)?,
            ..prepared
        })
    }
}

/// Which limit ended QEMU: the system ends it by a signal of its own for each.
fn limit(ending: &Ending) -> Option<Limit> {
    const SIGXCPU: i32 = 24;
    const SIGXFSZ: i32 = 25;
    match ending {
        Ending::Flooded => Some(Limit::Output),
        Ending::Full => Some(Limit::Disk),
        Ending::Exited(MachineExit::Killed(SIGXCPU)) => Some(Limit::Cpu),
        Ending::Exited(MachineExit::Killed(SIGXFSZ)) => Some(Limit::Disk),
        _ => None,
    }
}

fn outcome(finished: Finished, by_hand: &str) -> Outcome {
    let verdict = judge(&finished, Kind::Script, by_hand);
    Outcome {
        status: verdict
            .as_ref()
            .map_or_else(|failure| failure.status, |()| Status::Success),
        exit: match finished.ending {
            Ending::Exited(exit) => Some(exit),
            _ => None,
        },
        limit: limit(&finished.ending),
        complaint: verdict.map_or_else(|failure| failure.to_string(), |()| String::new()),
        transcript: String::from_utf8_lossy(&finished.transcript).into_owned(),
        delivered: None,
        elapsed: finished.elapsed,
    }
}
