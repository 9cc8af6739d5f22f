//! The person's terminal: a pseudo-terminal around `kit`.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{BOOT, Fake, KIT, Running, signal, wait_for, wait_gone};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// A terminal, seen from the side of the person.
struct Terminal {
    person: File,
    seen: String,
}

impl Terminal {
    fn new() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: 123,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&person, size).unwrap();
        Self {
            person: person.into(),
            seen: String::new(),
        }
    }

    /// The program's end.
    fn other(&self) -> OwnedFd {
        let name = ptsname(&self.person, Vec::new()).unwrap();
        File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap()
            .into()
    }

    fn start(&self, mut command: Command) -> Running {
        command
            .stdin(Stdio::from(self.other()))
            .stdout(Stdio::from(self.other()));
        Running(command.stderr(Stdio::from(self.other())).spawn().unwrap())
    }

    /// Reads until the screen shows `text`.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        let start = Instant::now();
        while !self.seen.contains(text) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{text:?} is not in {:?}",
                self.seen
            );
            let mut fds = [PollFd::new(&self.person, PollFlags::IN)];
            let tick = Duration::from_millis(100).try_into().unwrap();
            if poll(&mut fds, Some(&tick)).unwrap() > 0 {
                let mut buffer = [0; 4096];
                let count = self.person.read(&mut buffer).unwrap_or(0);
                self.seen
                    .push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
    }

    fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.person).unwrap())
    }

    fn raw(&self) -> bool {
        !tcgetattr(&self.person)
            .unwrap()
            .local_modes
            .intersects(LocalModes::ISIG | LocalModes::ICANON | LocalModes::ECHO)
    }
}

/// Starts a fake that boots and then runs `rest`; returns once its prompt shows and the terminal is raw.
fn booted(terminal: &mut Terminal, rest: &str) -> (Fake, Running) {
    let fake = Fake::new(&format!("echo $$ > pid; {BOOT} {rest}"));
    let child = terminal.start(fake.kit(&[]));
    terminal.expect("tlb> ");
    assert!(terminal.raw());
    (fake, child)
}

#[test]
fn a_terminal_left_raw_by_the_leaving_key() {
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let (fake, mut child) = booted(&mut terminal, "exec sleep 1000");
    assert!(terminal.seen.contains("Ctrl-] leaves"));
    terminal.person.write_all(b"\x1d").unwrap();
    assert_eq!(child.status(), Some(0));
    assert_eq!(terminal.modes(), before);
    wait_gone(fake.pid());
}

#[test]
fn a_terminal_left_raw_by_a_signal() {
    for (number, sent) in [(15, Signal::TERM), (1, Signal::HUP), (3, Signal::QUIT)] {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let (fake, mut child) = booted(&mut terminal, "exec sleep 1000");
        signal(&child.0, sent);
        assert_eq!(child.status(), Some(128 + number));
        assert_eq!(terminal.modes(), before);
        wait_gone(fake.pid());
    }
}

#[test]
fn a_terminal_left_raw_by_a_dying_machine() {
    for (rest, status) in [
        ("sleep 0.1; kill -9 $$", 5),
        ("sleep 0.1; exit 37", 7),
        ("sleep 0.1; exit 0", 9),
    ] {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let (_fake, mut child) = booted(&mut terminal, rest);
        assert_eq!(child.status(), Some(status));
        assert_eq!(terminal.modes(), before);
    }
}

#[test]
fn ctrl_c_ending_kit_instead_of_reaching_the_shell() {
    let mut terminal = Terminal::new();
    let (_fake, mut child) = booted(&mut terminal, "head -c 3 | od -An -c; exit 33");
    terminal.person.write_all(b"\x03\x1a\r").unwrap();
    assert_eq!(child.status(), Some(0));
    terminal.expect("003 032  \\r");
}

#[test]
fn a_stopped_kit_keeping_the_terminal() {
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let (_fake, mut child) = booted(&mut terminal, "exec sleep 1000");
    signal(&child.0, Signal::TSTP);
    wait_for("the terminal as it was", || {
        (terminal.modes() == before).then_some(())
    });
    signal(&child.0, Signal::CONT);
    wait_for("the terminal raw again", || terminal.raw().then_some(()));
    terminal.person.write_all(b"\x1d").unwrap();
    assert_eq!(child.status(), Some(0));
}

#[test]
fn a_terminal_reset_by_somebody_else_not_raw_again() {
    let mut terminal = Terminal::new();
    let before = tcgetattr(&terminal.person).unwrap();
    let (_fake, mut child) = booted(&mut terminal, "exec sleep 1000");
    signal(&child.0, Signal::STOP);
    tcsetattr(&terminal.person, OptionalActions::Now, &before).unwrap();
    signal(&child.0, Signal::CONT);
    wait_for("the terminal raw again", || terminal.raw().then_some(()));
    terminal.person.write_all(b"\x1d").unwrap();
    assert_eq!(child.status(), Some(0));
}

#[test]
fn a_shell_that_does_not_know_the_width() {
    let mut terminal = Terminal::new();
    let fake = Fake::new(&format!("echo \"$@\" > arguments; {BOOT} exit 33"));
    assert_eq!(terminal.start(fake.kit(&[])).status(), Some(0));
    terminal.expect("tlb> ");
    let arguments = std::fs::read_to_string(fake.file("arguments")).unwrap();
    assert!(arguments.contains("columns=123"), "{arguments}");
}

#[test]
fn the_kernel_s_shell_deaf_to_a_person() {
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let mut child = terminal.start(Command::new(KIT));
    terminal.expect("tlb> ");
    terminal.person.write_all(b"echo first\r").unwrap();
    terminal.expect("\nfirst\r\n");
    // Ctrl-C drops the line, and nothing else.
    terminal
        .person
        .write_all(b"quit 1\x03echo second\r")
        .unwrap();
    terminal.expect("\nsecond\r\n");
    terminal.person.write_all(b"\x1d").unwrap();
    assert_eq!(child.status(), Some(0));
    assert_eq!(terminal.modes(), before);
}
