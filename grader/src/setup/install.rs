//! Runs installers: announced, logged, with a sign of life, and stopped when they hang.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::say;
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// Time between two signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// How often an installer is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// One set-up's log, to which each installer's output is appended.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// Starts a new log called `name`.
    ///
    /// # Errors
    /// [`Status::Host`] when it cannot be written.
    pub fn new(workspace: &Workspace, name: &str) -> Result<Self, Failure> {
        let path = workspace.own_dir()?.join(name);
        File::create(&path).doing("writing", &path)?;
        Ok(Self { path })
    }

    /// Runs an installer to its end; at most for `limit`, then it is killed.
    ///
    /// # Errors
    /// [`Status::Missing`] when it fails, with the end of what it said and where the rest is.
    pub fn run(&self, mut command: Command, limit: Duration) -> Result<(), Failure> {
        let shown = shown(&command);
        let mut log = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .doing("writing", &self.path)?;
        writeln!(log, "+ {shown}").doing("writing", &self.path)?;
        let other = log.try_clone().doing("writing", &self.path)?;
        // The last words are shown: a backtrace would hide them.
        command
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(other)
            .process_group(0);
        let outcome = self.watch(command, limit);
        match outcome {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.failure(format!("`{shown}` failed ({status})"))),
            Err(reason) => Err(self.failure(format!("`{shown}`: {reason}"))),
        }
    }

    fn watch(&self, mut command: Command, limit: Duration) -> Result<ExitStatus, String> {
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let start = Instant::now();
        let mut next = SIGN_OF_LIFE;
        loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                return Ok(status);
            }
            if start.elapsed() >= limit {
                let _ = kill_process_group(Pid::from_child(&child), Signal::TERM);
                let _ = child.wait();
                return Err(format!("no end after {} s", limit.as_secs()));
            }
            if start.elapsed() >= next {
                let last = self.tail(1).pop().unwrap_or_default();
                say::line(format_args!(
                    "  still at it after {} s: {last}",
                    next.as_secs()
                ));
                next += SIGN_OF_LIFE;
            }
            std::thread::sleep(GLANCE);
        }
    }

    fn failure(&self, message: String) -> Failure {
        let start = Failure::new(Status::Missing, message);
        let with_tail = self.tail(3).into_iter().fold(start, Failure::advise);
        with_tail.advise(format!("the whole output is in {}", self.path.display()))
    }

    /// The last lines that say something.
    fn tail(&self, count: usize) -> Vec<String> {
        let text = std::fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines
            .iter()
            .rev()
            .take(count)
            .rev()
            .map(|line| line.trim().to_owned())
            .collect()
    }
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let arguments: Vec<_> = command
        .get_args()
        .map(std::ffi::OsStr::to_os_string)
        .collect();
    crate::command::quoted(Path::new(command.get_program()), &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(dir: &Path) -> Log {
        let workspace = Workspace {
            root: dir.into(),
            target: dir.into(),
        };
        Log::new(&workspace, "test.log").unwrap()
    }

    #[test]
    fn a_failed_installer_without_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no route to host; exit 7"]);
        let failure = log(dir.path())
            .run(command, Duration::from_secs(60))
            .unwrap_err();
        assert_eq!(failure.status, Status::Missing);
        assert!(
            failure.advice.iter().any(|line| line == "no route to host"),
            "{failure}"
        );
        assert!(
            failure.advice.iter().any(|line| line.contains("test.log")),
            "{failure}"
        );
    }

    #[test]
    fn an_installer_that_hangs_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000; true"]);
        let failure = log(dir.path())
            .run(command, Duration::from_millis(200))
            .unwrap_err();
        assert!(failure.message.contains("no end after"), "{failure}");
    }
}
