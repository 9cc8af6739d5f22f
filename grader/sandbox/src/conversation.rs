//! A confined program that one talks to, line by line.
//!
//! It has its end of three pipes and nothing else. Whoever talks waits for it as long as it computes: its CPU time
//! is what is limited. It is looked at only while it owes something, so that it costs nothing in between.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::policy::Policy;
use crate::supervise::{Ended, Limit, Report, Watched, launch, listen, report};

/// How much is read at once.
const CHUNK: usize = 16 << 10;

/// What it may say on standard error, in bytes: all of that is kept.
const MOST_ASIDE: u64 = 1 << 20;

/// How long a program may take to end once its pipe is closed.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often is looked whether a line has come.
const LOOK: Duration = Duration::from_millis(100);

/// Why there is no line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It is longer than was allowed.
    TooLong,
    /// It closed its pipe, and lives on.
    Closed,
    /// It said something before it was asked.
    Unasked,
    /// It has ended.
    Ended(Ended),
    /// The host failed.
    Host(String),
}

/// A confined program that one talks to. It ends when this is dropped.
#[derive(Debug)]
pub struct Conversation {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: JoinHandle<Vec<u8>>,
    /// What was read beyond the last line.
    heard: Vec<u8>,
    /// How much it has said, and may say.
    said: u64,
    most: u64,
    wall: Duration,
    watched: Watched,
    watcher: Option<JoinHandle<io::Result<(Ended, Duration, u64)>>>,
}

/// Starts `program` under `policy`, in `folder`, by `launcher`, to be talked to.
///
/// # Errors
/// The launcher cannot be started.
pub fn start(
    launcher: &Path,
    policy: &Policy,
    folder: &Path,
    program: &Path,
    arguments: &[OsString],
) -> io::Result<Conversation> {
    let mut child = launch(launcher, policy, folder, program, arguments, true)?;
    let missing = || io::Error::other("a pipe is missing");
    let stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let stderr = child.stderr.take().ok_or_else(missing)?;
    // Nobody reads what it does not read: a write must not wait for ever.
    fcntl_setfl(&stdin, fcntl_getfl(&stdin)? | OFlags::NONBLOCK)?;
    let much = Arc::new(AtomicBool::new(false));
    let stderr = listen(stderr, policy.limits.output.min(MOST_ASIDE), &much);
    let watched = Watched::talks(much, stdout.as_fd().try_clone_to_owned()?);
    let watcher = {
        let (policy, watched) = (policy.clone(), watched.clone());
        thread::spawn(move || watched.watch(&mut child, &policy))
    };
    Ok(Conversation {
        stdin: Some(stdin),
        stdout,
        stderr,
        heard: Vec::new(),
        said: 0,
        most: policy.limits.output,
        wall: Duration::from_secs(policy.limits.wall),
        watched,
        watcher: Some(watcher),
    })
}

impl Conversation {
    /// Sends a line, with its end.
    ///
    /// # Errors
    /// [`Silence`].
    pub fn say(&mut self, line: &[u8]) -> Result<(), Silence> {
        if !self.heard.is_empty() {
            return Err(Silence::Unasked);
        }
        self.watched.owes(true);
        let (mut left, begun) = (line, Instant::now());
        while !left.is_empty() {
            let Some(stdin) = &mut self.stdin else {
                return Err(self.silent());
            };
            match stdin.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(&*stdin, PollFlags::OUT)];
                    let _ = poll(&mut fds, Timespec::try_from(LOOK).ok().as_ref());
                    if begun.elapsed() > self.wall {
                        return Err(Silence::Ended(Ended::Stalled));
                    }
                }
                Err(_) => return Err(self.silent()),
            }
        }
        Ok(())
    }

    /// The next line, without its end, of at most `most` bytes with it.
    ///
    /// # Errors
    /// [`Silence`].
    pub fn hear(&mut self, most: usize) -> Result<Vec<u8>, Silence> {
        let mut looked = 0;
        loop {
            let end = self.heard[looked..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| end + looked).filter(|end| *end < most) {
                let mut line: Vec<u8> = self.heard.drain(..=end).collect();
                line.pop();
                self.watched.owes(false);
                return Ok(line);
            }
            looked = self.heard.len();
            if looked >= most || end.is_some() {
                return Err(Silence::TooLong);
            }
            if self.said > self.most {
                return Err(Silence::Ended(Ended::Limit(Limit::Output)));
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Result<(), Silence> {
        let mut chunk = [0; CHUNK];
        match self.stdout.read(&mut chunk) {
            Ok(0) => Err(self.silent()),
            Ok(count) => {
                self.said += count as u64;
                self.heard.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(Silence::Host(format!("reading a pipe: {error}"))),
        }
    }

    /// Its pipe is closed: how it has ended, if it has.
    fn silent(&mut self) -> Silence {
        self.stdin = None;
        let begun = Instant::now();
        while self.watcher.as_ref().is_some_and(|it| !it.is_finished()) {
            if begun.elapsed() > PATIENCE {
                return Silence::Closed;
            }
            thread::sleep(Duration::from_millis(1));
        }
        match self.end() {
            Ok(report) => Silence::Ended(report.ended),
            Err(error) => Silence::Host(format!("waiting for a program: {error}")),
        }
    }

    /// Ends it, unless it has ended: how, what it said on standard error and used.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn end(&mut self) -> io::Result<Report> {
        self.stdin = None;
        self.watched.stop();
        let Some(watcher) = self.watcher.take() else {
            return Err(io::Error::other("it has been waited for"));
        };
        let watched = watcher.join();
        let watched = watched.map_err(|_| io::Error::other("watching it failed"))??;
        let stderr = std::mem::replace(&mut self.stderr, thread::spawn(Vec::new));
        let stderr = stderr.join().unwrap_or_default();
        Ok(report(watched, &self.watched, Vec::new(), stderr))
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
