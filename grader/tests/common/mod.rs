//! `kit` as a subprocess, with programs that play QEMU.
#![allow(dead_code, reason = "each test program uses a part")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use grader::machine::{Machine, Outcome};
use grader::status::Status;
use tempfile::TempDir;

/// The program under test.
pub const KIT: &str = env!("CARGO_BIN_EXE_kit");

/// What every fake that boots prints first.
pub const BOOT: &str = "printf 'boot: hello\\r\\nboot: ready\\r\\ntlb> '\n";

/// Runs `script` in `machine`, which must end in success.
#[track_caller]
pub fn succeed(machine: &Machine, script: &str) -> Outcome {
    let outcome = machine.script(script).unwrap();
    assert_eq!(
        outcome.status,
        Status::Success,
        "{}\n{}",
        outcome.complaint,
        outcome.transcript
    );
    outcome
}

/// A shell script in QEMU's place, and a folder for its notes.
pub struct Fake {
    dir: TempDir,
}

impl Fake {
    /// `script` runs in `/bin/sh`, in the fake's own folder.
    pub fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("qemu");
        let text = format!("#!/bin/sh\ncd {}\n{script}\n", dir.path().display());
        // Through a child: a file that another test's child holds open for writing cannot be executed.
        let mut writer = Command::new("sh")
            .args(["-c", "cat > \"$1\" && chmod +x \"$1\"", "sh"])
            .arg(&program)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(writer.wait().unwrap().success());
        Self { dir }
    }

    /// A file in the fake's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `kit` with this fake; the kernel is any ELF file.
    pub fn kit(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KIT);
        command
            .arg("--qemu")
            .arg(self.file("qemu"))
            .args(["--kernel", "/bin/sh"])
            .args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.kit(arguments).output().unwrap())
    }

    /// The number a fake wrote into the file `pid`, once it is there.
    pub fn pid(&self) -> u32 {
        let file = self.file("pid");
        wait_for("the fake's process number", || {
            std::fs::read_to_string(&file).ok()?.trim().parse().ok()
        })
    }
}

/// What a finished `kit` left.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The status is `status` and kit's own lines contain all of `words`.
    #[track_caller]
    pub fn expect(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:#?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {self:#?}");
        }
    }
}

/// Waits until `look` finds something, at most 20 s.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited in vain for {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until no process has this number, zombies not counted.
#[track_caller]
pub fn wait_gone(pid: u32) {
    wait_for("the end of QEMU", || (!alive(pid)).then_some(()));
}

/// Whether a process has this number and is no zombie.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|text| {
        !text
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
    })
}

/// Sends a signal.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

/// A running `kit` that a failed test does not leave behind.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Waits for its end; the status, if no signal ended it.
    pub fn status(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}
