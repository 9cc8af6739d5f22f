//! Follows a boot by what the machine prints, and says what was waited for when it stops.

use std::time::{Duration, Instant};

/// What the shell prints when it waits for a command.
pub const PROMPT: &str = "tlb> ";
/// How the kernel's boot messages begin.
const BOOT: &str = "boot: ";
/// How the last of them begins.
const READY: &str = "boot: ready";
/// Longest line that is kept; boot messages are shorter.
const LINE: usize = 512;

/// Boot messages and the likely cause when nothing follows them. The first row whose word the message
/// contains counts; the last row fits every message.
const CAUSES: [(&str, &str); 3] = [
    (
        "starting",
        "an application processor hangs between its start-up IPI and its report",
    ),
    (
        "ready",
        "the shell thread does not run, or its transmit path is stuck",
    ),
    (
        "",
        "the kernel hangs, or spins with interrupts off, after that step",
    ),
];

/// What ends a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The kernel's `boot: ready` line: a script begins.
    Ready,
    /// The first prompt.
    Prompt,
}

/// Watches one boot until its goal.
///
/// Only a boot message counts as progress: garbage on the line does not.
#[derive(Clone, Debug)]
pub struct BootWatch {
    patience: Duration,
    goal: Goal,
    last_progress: Instant,
    stage: Option<String>,
    received: u64,
    line: Vec<u8>,
    escape: Escape,
    ready: bool,
    prompt: bool,
}

impl BootWatch {
    /// The time without a boot message after which a boot counts as stuck.
    pub const PATIENCE: Duration = Duration::from_secs(20);

    /// Starts to watch a machine started at `now`.
    #[must_use]
    pub fn new(patience: Duration, goal: Goal, now: Instant) -> Self {
        let (stage, line) = (None, Vec::new());
        Self {
            patience,
            goal,
            last_progress: now,
            stage,
            received: 0,
            line,
            escape: Escape::default(),
            ready: false,
            prompt: false,
        }
    }

    /// Takes note of what the machine sent.
    pub fn feed(&mut self, bytes: &[u8], now: Instant) {
        self.received += bytes.len() as u64;
        for &byte in bytes {
            if self.prompt {
                return;
            }
            match byte {
                _ if self.escape.hides(byte) => {}
                b'\n' => self.end_of_line(now),
                b'\r' => {}
                _ if self.line.len() < LINE => self.line.push(byte),
                _ => {}
            }
            if self.line == PROMPT.as_bytes() {
                (self.ready, self.prompt) = (true, true);
            }
        }
    }

    fn end_of_line(&mut self, now: Instant) {
        if self.line.starts_with(BOOT.as_bytes()) {
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.ready |= self.goal == Goal::Ready && line.starts_with(READY);
            self.stage = Some(line);
            self.last_progress = now;
        }
        self.line.clear();
    }

    /// Whether the boot is over.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.ready
    }

    /// Whether the shell has shown its prompt.
    #[must_use]
    pub fn prompted(&self) -> bool {
        self.prompt
    }

    /// When the boot counts as stuck unless progress comes before; `None` once it is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (!self.ready).then_some(self.last_progress + self.patience)
    }

    /// What was seen last, what was waited for, and the likely cause: three sentences.
    #[must_use]
    pub fn diagnosis(&self) -> [String; 3] {
        if let Some(stage) = &self.stage {
            let cause = CAUSES
                .iter()
                .find(|(word, _)| stage.to_lowercase().contains(word));
            let cause = cause.map_or("", |(_, cause)| cause);
            return [
                format!("the last boot message was \"{}\"", stage.escape_debug()),
                "waited for the next boot message or the prompt".to_owned(),
                format!("likely cause: {cause}"),
            ];
        }
        let (seen, cause) = match self.received {
            0 => (
                "the machine wrote nothing".to_owned(),
                "QEMU is too old for a PVH kernel, the kernel died before its first message, or the host is overloaded",
            ),
            count => (
                format!("the machine wrote {count} bytes, none of them a boot message"),
                "something other than this kernel runs, or its serial port is set up wrongly",
            ),
        };
        [
            seen,
            format!("waited for the first line that begins \"{BOOT}\""),
            format!("likely cause: {cause}"),
        ]
    }
}

/// Follows the terminal's escape sequences (ECMA-48, CSI), which colour a prompt but are no part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    Outside,
    Begun,
    Inside,
}

impl Escape {
    /// Whether this byte belongs to a sequence.
    fn hides(&mut self, byte: u8) -> bool {
        let hidden = *self != Escape::Outside || byte == 0x1b;
        *self = match (*self, byte) {
            (_, 0x1b) => Escape::Begun,
            (Escape::Begun, b'[') | (Escape::Inside, 0x20..=0x3f) => Escape::Inside,
            _ => Escape::Outside,
        };
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watch() -> (BootWatch, Instant) {
        let start = Instant::now();
        (BootWatch::new(20 * SECOND, Goal::Prompt, start), start)
    }

    #[test]
    fn garbage_keeping_a_stuck_boot_alive() {
        let (mut watch, start) = watch();
        watch.feed(b"\xff\x00garbage\nmore tlb> garbage\n", start + 19 * SECOND);
        assert_eq!(watch.deadline(), Some(start + 20 * SECOND));
        assert!(watch.diagnosis()[0].contains("none of them a boot message"));
    }

    #[test]
    fn a_slow_boot_killed_although_it_progresses() {
        let (mut watch, start) = watch();
        watch.feed(b"boot: starting 3 more CPUs\r\n", start + 19 * SECOND);
        assert_eq!(watch.deadline(), Some(start + 39 * SECOND));
        assert!(watch.diagnosis()[0].contains("boot: starting 3"));
        assert!(watch.diagnosis()[2].contains("application processor"));
    }

    #[test]
    fn a_prompt_split_between_two_reads_missed() {
        let (mut watch, start) = watch();
        watch.feed(b"boot: ready 4 CPUs\r\n\ntl", start);
        assert!(!watch.ready() && !watch.prompted());
        assert!(watch.diagnosis()[2].contains("shell thread"));
        watch.feed(b"b> ", start);
        assert!(watch.prompted());
        assert_eq!(watch.deadline(), None);
    }

    #[test]
    fn a_script_waited_for_at_a_prompt_that_never_comes() {
        let mut watch = BootWatch::new(20 * SECOND, Goal::Ready, Instant::now());
        watch.feed(b"boot: ready\n", Instant::now());
        assert_eq!(
            (watch.ready(), watch.prompted(), watch.deadline()),
            (true, false, None)
        );
    }

    #[test]
    fn a_coloured_prompt_not_recognised() {
        let (mut watch, start) = watch();
        watch.feed(b"\x1b[2K\r\x1b[1;32mtlb> \x1b[0m", start);
        assert!(watch.prompted());
    }

    #[test]
    fn an_endless_line_taking_all_memory() {
        let (mut watch, start) = watch();
        for _ in 0..100 {
            watch.feed(&[b'x'; 10_000], start);
        }
        assert!(watch.line.len() <= LINE);
    }
}
