//! Running a confined program, and seeing to its limits.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::policy::Policy;
use crate::tree::{self, Usage};
use crate::{COMPLAINT, NOT_CONFINED};

/// How often is looked what the program uses. Its own limits hold it in between.
const LOOK: Duration = Duration::from_millis(40);

/// How long what is killed may take to end; then the launcher is killed as well.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a program that owes an answer may do nothing at all. However slow the host is, what has something to do
/// is at least ready to do it.
const IDLE: Duration = Duration::from_secs(10);

/// How often it has to be seen so.
const SEEN_IDLE: u32 = 15;

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
    /// Processes and threads.
    Processes,
    /// Bytes or files in the writable folders.
    Disk,
    /// Bytes that were said.
    Output,
}

impl Limit {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Limit::Cpu => "CPU time",
            Limit::Memory => "memory",
            Limit::Processes => "processes",
            Limit::Disk => "disk",
            Limit::Output => "output",
        }
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// By this limit.
    Limit(Limit),
    /// It owed an answer, and none of its processes did anything: it waits for something that does not come.
    Idle,
    /// It used none of its limits up, and the time on the wall was over: the host stands still.
    Stalled,
    /// It was not started, for this reason: the host's fault, never the program's.
    NotConfined(String),
}

const SIGKILL: i32 = 9;

/// How a program ended, what it said and used.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub ended: Ended,
    /// What it said on standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// And on standard error.
    pub stderr: Vec<u8>,
    /// Its CPU time, to a hundredth of a second.
    pub cpu: Duration,
    /// The most memory that was seen in use, in bytes.
    pub memory: u64,
}

impl Report {
    /// Whether it ended with success.
    #[must_use]
    pub fn success(&self) -> bool {
        self.ended == Ended::Exit(0)
    }
}

/// Runs `program` under `policy`, in `folder`, by `launcher`; returns when it and all that it started have ended.
///
/// # Errors
/// The launcher cannot be started or waited for.
pub fn run(
    launcher: &Path,
    policy: &Policy,
    folder: &Path,
    program: &Path,
    arguments: &[OsString],
) -> io::Result<Report> {
    let mut child = launch(launcher, policy, folder, program, arguments, false)?;
    let much = Arc::new(AtomicBool::new(false));
    let most = policy.limits.output;
    let stdout = child.stdout.take().map(|pipe| listen(pipe, most, &much));
    let stderr = child.stderr.take().map(|pipe| listen(pipe, most, &much));
    let watch = Watched::runs(much);
    let watched = watch.watch(&mut child, policy);
    // Its pipes end with it: whatever held them has been killed.
    let hear = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    };
    let (stdout, stderr) = (hear(stdout), hear(stderr));
    Ok(report(watched?, &watch, stdout, stderr))
}

/// Starts the launcher: the program has pipes for what it says, and for what it is told if `talks`.
pub(crate) fn launch(
    launcher: &Path,
    policy: &Policy,
    folder: &Path,
    program: &Path,
    arguments: &[OsString],
    talks: bool,
) -> io::Result<Child> {
    let mut command = Command::new(launcher);
    command.args(policy.arguments(program)).args(arguments);
    command.current_dir(folder).env_clear();
    command
        .stdin(if talks { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn()
}

pub(crate) fn report(
    (ended, cpu, memory): (Ended, Duration, u64),
    watched: &Watched,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
) -> Report {
    let complaint = String::from_utf8_lossy(&stderr);
    let ended = match (ended, complaint.strip_prefix(COMPLAINT)) {
        (Ended::Exit(status), Some(why)) if status == i32::from(NOT_CONFINED) => {
            Ended::NotConfined(why.trim_end().to_owned())
        }
        (ended, _) => ended,
    };
    let ended = if watched.much.load(Ordering::Relaxed) {
        Ended::Limit(Limit::Output)
    } else {
        ended
    };
    Report {
        ended,
        stdout,
        stderr,
        cpu,
        memory,
    }
}

/// Reads up to `most` bytes; says so if there are more, and drops the pipe.
pub(crate) fn listen(
    pipe: impl Read + Send + 'static,
    most: u64,
    much: &Arc<AtomicBool>,
) -> thread::JoinHandle<Vec<u8>> {
    let much = Arc::clone(much);
    thread::spawn(move || {
        let mut said = Vec::new();
        let _ = pipe.take(most + 1).read_to_end(&mut said);
        if said.len() as u64 > most {
            said.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            much.store(true, Ordering::Relaxed);
        }
        said
    })
}

/// What a program that is watched does at the moment, for its watcher.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// It has said too much.
    much: Arc<AtomicBool>,
    /// Since when it owes something; nothing while it waits to be told something.
    owes: Arc<Mutex<Option<Instant>>>,
    /// Nobody wants more of it.
    over: Arc<AtomicBool>,
    /// The pipe that it answers by, if it is talked to.
    answers: Option<Arc<OwnedFd>>,
}

/// Since when a program is seen to do nothing.
struct Idle {
    owes: Instant,
    cpu: Duration,
    since: Instant,
    seen: u32,
}

impl Idle {
    fn begins(owes: Instant, cpu: Duration) -> Idle {
        Idle {
            owes,
            cpu,
            since: Instant::now(),
            seen: 0,
        }
    }
}

impl Watched {
    /// Of a program that works from its start to its end.
    fn runs(much: Arc<AtomicBool>) -> Self {
        let watched = Watched {
            much,
            owes: Arc::default(),
            over: Arc::default(),
            answers: None,
        };
        watched.owes(true);
        watched
    }

    /// Of a program that waits to be told something, and then answers.
    pub fn talks(much: Arc<AtomicBool>, answers: OwnedFd) -> Self {
        Watched {
            much,
            owes: Arc::default(),
            over: Arc::default(),
            answers: Some(Arc::new(answers)),
        }
    }

    /// Whether it has said something that nobody has read yet, or its pipe is closed.
    fn has_answered(&self) -> bool {
        self.answers.as_deref().is_none_or(|answers| {
            let mut fds = [PollFd::new(answers, PollFlags::IN)];
            let now = Timespec::try_from(Duration::ZERO).ok();
            poll(&mut fds, now.as_ref()).is_ok_and(|ready| ready > 0)
        })
    }

    /// From here on it owes something, or does not.
    pub fn owes(&self, something: bool) {
        *self.since() = something.then(Instant::now);
    }

    /// It is to be ended.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.owes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has ended, and ends it at its limits. How it ended, its CPU time, and the most memory seen.
    pub fn watch(&self, child: &mut Child, policy: &Policy) -> io::Result<(Ended, Duration, u64)> {
        let pid = Pid::from_child(child);
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        let limits = &policy.limits;
        let (mut cpu, mut memory) = (Duration::ZERO, 0);
        let mut first = true;
        let mut idle: Option<Idle> = None;
        let status = loop {
            let mut fds = [PollFd::new(&ended, PollFlags::IN)];
            let wait = Timespec::try_from(if first { LOOK / 8 } else { LOOK }).ok();
            first = false;
            let _ = poll(&mut fds, wait.as_ref());
            cpu = cpu.max(tree::cpu_of(pid));
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if self.over.load(Ordering::Relaxed) {
                end(child)?;
                return Ok((Ended::Signal(SIGKILL), cpu, memory));
            }
            let Some(since) = *self.since() else {
                continue;
            };
            let used = tree::usage(pid);
            cpu = cpu.max(used.cpu);
            memory = memory.max(used.memory);
            let (bytes, files) = size(&policy.writable, limits.files);
            let over = [
                (used.cpu.as_secs() >= limits.cpu, Limit::Cpu),
                (used.memory > limits.memory, Limit::Memory),
                (
                    used.processes > limits.processes + policy.layers.own_processes(),
                    Limit::Processes,
                ),
                (bytes > limits.disk || files > limits.files, Limit::Disk),
                (self.much.load(Ordering::Relaxed), Limit::Output),
            ];
            let over = over.iter().find(|(over, _)| *over).map(|(_, limit)| *limit);
            let over = over.map(Ended::Limit).or_else(|| {
                let idles = self.idles(&mut idle, since, used, limits.wall);
                idles.then_some(Ended::Idle)
            });
            let stalled = since.elapsed().as_secs() >= limits.wall;
            if let Some(ended) = over.or(stalled.then_some(Ended::Stalled)) {
                end(child)?;
                return Ok((ended, cpu, memory));
            }
        };
        Ok((by(status, cpu, limits.cpu), cpu, memory))
    }

    /// Whether it has been seen long enough to do nothing, though it owes an answer `since` then.
    fn idles(&self, idle: &mut Option<Idle>, since: Instant, used: Usage, wall: u64) -> bool {
        if used.busy || self.has_answered() {
            *idle = None;
            return false;
        }
        let now = Idle::begins(since, used.cpu);
        let idle = idle.get_or_insert(now);
        if (idle.owes, idle.cpu) != (since, used.cpu) {
            *idle = Idle::begins(since, used.cpu);
        }
        idle.seen += 1;
        idle.seen >= SEEN_IDLE && idle.since.elapsed() >= IDLE.min(Duration::from_secs(wall) / 2)
    }
}

/// Ends what the launcher started, and waits for the launcher, which sees to it that nothing is left: were it killed,
/// what it started would be left to whoever takes orphans.
///
/// # Errors
/// It cannot be waited for.
pub fn end(child: &mut Child) -> io::Result<()> {
    let pid = Pid::from_child(child);
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        tree::kill_below(pid);
        if begun.elapsed() > PATIENCE {
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// How it ended, by its status: the system's own signals for limits are limits.
fn by(status: ExitStatus, cpu: Duration, most: u64) -> Ended {
    const SIGXCPU: i32 = 24;
    const SIGXFSZ: i32 = 25;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, Some(SIGXCPU)) => Ended::Limit(Limit::Cpu),
        (None, Some(SIGXFSZ)) => Ended::Limit(Limit::Disk),
        // The system sends it at the limit on CPU time, which it counts finer than is looked here.
        (None, Some(SIGKILL)) if cpu.as_secs() + 1 >= most => Ended::Limit(Limit::Cpu),
        (None, signal) => Ended::Signal(signal.unwrap_or(0)),
    }
}

/// The bytes and files in these folders; counting ends above `most` files.
fn size(folders: &[PathBuf], most: usize) -> (u64, usize) {
    let (mut bytes, mut files) = (0, 0);
    let mut folders: Vec<PathBuf> = folders.to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            files += 1;
            if files > most {
                return (bytes, files);
            }
            // Links are not followed.
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += data.len();
            }
        }
    }
    (bytes, files)
}
