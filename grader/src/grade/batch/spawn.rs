//! Grading by a child process, `kit grade`.

use std::ffi::OsString;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::{GradeOne, Job, Stop};
use crate::child::BECOME;
use crate::status::Failure;

/// How often [`Stop`] is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a child may take to end what it has under way.
const GRACE: Duration = Duration::from_secs(5);
/// How much of a child's last words is told.
const LAST: u64 = 2000;

/// Starts a child for each solution.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The program `kit`, which ends its child when this thread ends.
    pub kit: PathBuf,
    /// The child's program.
    pub program: PathBuf,
    /// Its arguments before those that name the solution: `SOLUTION --lab N --name=NAME --report FILE`.
    pub words: Vec<OsString>,
    /// How long a child may take. It has limits of its own; this is for one that has lost them, and never a verdict.
    pub limit: Duration,
}

impl GradeOne for Spawn {
    fn grade(&self, job: &Job, stop: &Stop) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::host(format!("starting `kit grade`: {error}"));
        let mut last_words = tempfile::tempfile().map_err(failed)?;
        let mut command = Command::new(&self.kit);
        command
            .arg(BECOME)
            .arg(std::process::id().to_string())
            .arg(&self.program)
            .args(&self.words)
            .arg(&job.solution)
            .args(["--lab", &job.lab.to_string()])
            // A name may begin with a dash.
            .arg(format!("--name={}", job.submission))
            .arg("--report")
            .arg(&job.report)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(last_words.try_clone().map_err(failed)?)
            .process_group(0);
        let mut child = Group(command.spawn().map_err(failed)?);
        let ended = child.wait(stop, self.limit).map_err(failed)?;
        let how = match ended {
            Ended::Itself(true) | Ended::Stopped => return Ok(()),
            Ended::Itself(false) => child.0.wait().map_err(failed)?.to_string(),
            Ended::Limit => format!("not within {} seconds", self.limit.as_secs()),
        };
        let mut said = String::new();
        let length = last_words.seek(SeekFrom::End(0)).unwrap_or(0);
        let _ = last_words.seek(SeekFrom::Start(length.saturating_sub(LAST)));
        let _ = last_words.take(LAST).read_to_string(&mut said);
        Err(Failure::host(format!("`kit grade` ended: {how}")).advise(said.trim()))
    }
}

enum Ended {
    /// By itself, with status 0 or another.
    Itself(bool),
    /// Because of [`Stop`].
    Stopped,
    /// Because it took too long.
    Limit,
}

/// A child with its process group. Dropping it ends them.
struct Group(Child);

impl Group {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn wait(&mut self, stop: &Stop, limit: Duration) -> io::Result<Ended> {
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty())?;
        let started = Instant::now();
        let mut asked: Option<Instant> = None;
        loop {
            let look = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(LOOK.subsec_nanos()),
            };
            match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&look)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = self.0.try_wait()? {
                return Ok(match asked {
                    _ if stop.is_set() => Ended::Stopped,
                    Some(_) => Ended::Limit,
                    None => Ended::Itself(status.success()),
                });
            }
            let over = stop.is_set() || started.elapsed() > limit;
            match asked {
                None if over => {
                    let _ = kill_process_group(self.pid(), Signal::TERM);
                    asked = Some(Instant::now());
                }
                Some(since) if since.elapsed() > GRACE => self.kill(),
                _ => {}
            }
        }
    }

    fn kill(&mut self) {
        // The group's number is reserved until the wait.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.0.kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            self.kill();
            let _ = self.0.wait();
        }
    }
}
