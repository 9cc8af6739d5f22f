//! The loop that connects a running machine to a person, a pipe or a transcript until one of them ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};

use crate::child::Emulator;
use crate::input::{Input, Read};
use crate::signals::{Asked, Signals, stop_here};
use crate::watchdog::BootWatch;
use crate::wiring::{Ending, Finished, Wiring};

/// Output that may wait for a slow reader before the machine is held back.
const BACKLOG: usize = 1 << 20;
/// What is kept of QEMU's own messages.
const MESSAGES: usize = 1 << 16;
/// How often is looked how large files have become.
const LOOK: Duration = Duration::from_millis(100);

/// Connects `qemu`, started at `start`, until something ends. All that QEMU sent before it ended is passed on.
#[must_use]
pub fn connect(qemu: &mut Emulator, wiring: Wiring<'_>, start: Instant) -> Finished {
    let mut console = Console {
        watch: BootWatch::new(wiring.patience, wiring.goal, start),
        input: Input::new(wiring.source),
        messages: Vec::new(),
        open: Open {
            output: true,
            messages: true,
        },
        last: start,
        prompt_after: None,
        received: 0,
        looked: start,
        start,
        wiring,
    };
    let ending = loop {
        if let Some(ending) = console.turn(qemu) {
            break ending;
        }
    };
    let mut finished = console.finish(ending);
    finished.messages.push_str(&qemu.last_words());
    finished
}

struct Console<'a> {
    wiring: Wiring<'a>,
    watch: BootWatch,
    input: Input,
    messages: Vec<u8>,
    open: Open,
    start: Instant,
    last: Instant,
    prompt_after: Option<Duration>,
    /// Bytes that the machine wrote.
    received: u64,
    /// When the files were looked at.
    looked: Instant,
}

/// The pipes QEMU has not closed: a closed one polls readable for ever.
struct Open {
    output: bool,
    messages: bool,
}

/// What polled ready.
#[derive(Default)]
struct Ready {
    typed: bool,
    writable: bool,
}

impl Console<'_> {
    /// One round: wait, move bytes, then judge. Bytes go first, so that a host that slept does not take old
    /// news for silence.
    fn turn(&mut self, qemu: &mut Emulator) -> Option<Ending> {
        let ready = match self.wait(qemu) {
            Ok(ready) => ready,
            Err(error) => return Some(Ending::Broken(format!("waiting: {error}"))),
        };
        let exit = qemu.exit();
        self.receive(qemu);
        if ready.writable {
            if let Err(error) = self.wiring.output.flush() {
                return Some(Ending::Broken(format!("writing the output: {error}")));
            }
            self.last = Instant::now();
        }
        if let Some(ending) = self.obey().or_else(|| self.type_in(qemu, ready.typed)) {
            return Some(ending);
        }
        if let Some(exit) = exit {
            let ending = self.drain(qemu).unwrap_or(Ending::Exited(exit));
            return Some(self.too_much(true).unwrap_or(ending));
        }
        self.too_much(false).or_else(|| self.judge(Instant::now()))
    }

    fn wait(&self, qemu: &Emulator) -> io::Result<Ready> {
        const TYPED: usize = 1;
        const WRITABLE: usize = 2;
        let mut fds: Vec<(usize, PollFd<'_>)> = vec![(0, watch(&qemu.ended, PollFlags::IN))];
        let mut add = |tag, fd| fds.push((tag, fd));
        if self.open.output && self.wiring.output.backlog() < BACKLOG {
            add(0, watch(&qemu.output, PollFlags::IN));
        }
        if self.open.messages {
            add(0, watch(&qemu.messages, PollFlags::IN));
        }
        if let Some(signals) = self.wiring.signals {
            add(0, watch(signals, PollFlags::IN));
        }
        if self.input.wanted() {
            add(
                TYPED,
                PollFd::from_borrowed_fd(self.wiring.from, PollFlags::IN),
            );
        }
        if let (true, true, Some(input)) = (self.watch.ready(), self.input.waiting(), &qemu.input) {
            add(0, watch(input, PollFlags::OUT));
        }
        if let Some(output) = self.wiring.output.waiting() {
            add(WRITABLE, PollFd::from_borrowed_fd(output, PollFlags::OUT));
        }
        let (tags, mut fds): (Vec<usize>, Vec<PollFd<'_>>) = fds.into_iter().unzip();
        match poll(&mut fds, self.patience().as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |tag| {
            tags.iter()
                .zip(&fds)
                .any(|(of, fd)| *of == tag && !fd.revents().is_empty())
        };
        Ok(Ready {
            typed: ready(TYPED),
            writable: ready(WRITABLE),
        })
    }

    /// The time until the next deadline.
    fn patience(&self) -> Option<Timespec> {
        let settles = self
            .input
            .settles(&self.wiring.output, self.last)
            .map(|(time, _)| time);
        let limit = self.wiring.timeout.map(|limit| self.start + limit);
        let look = (!self.wiring.files.is_empty()).then_some(self.looked + LOOK);
        let next = [
            self.watch.deadline(),
            limit,
            look,
            self.watch.ready().then_some(settles).flatten(),
        ];
        let left = next
            .into_iter()
            .flatten()
            .min()?
            .saturating_duration_since(Instant::now());
        Timespec::try_from(left).ok()
    }

    /// Reads what QEMU has to say, without blocking. Returns whether the machine sent anything.
    fn receive(&mut self, qemu: &Emulator) -> bool {
        let mut buffer = [0; 1 << 14];
        if let Ok(count) = read(&qemu.messages, &mut buffer) {
            let kept = count.min(MESSAGES - self.messages.len());
            self.messages.extend_from_slice(&buffer[..kept]);
            self.open.messages = count > 0;
        }
        if self.wiring.output.backlog() >= BACKLOG {
            return false;
        }
        let Ok(count) = read(&qemu.output, &mut buffer) else {
            return false;
        };
        self.open.output = count > 0;
        if count > 0 {
            self.heard(&buffer[..count], Instant::now());
        }
        count > 0
    }

    /// Whether more was written than may be. Files are looked at from time to time, and at the `end`.
    fn too_much(&mut self, end: bool) -> Option<Ending> {
        if self.wiring.most.is_some_and(|most| self.received > most) {
            return Some(Ending::Flooded);
        }
        if !end && self.looked.elapsed() < LOOK {
            return None;
        }
        self.looked = Instant::now();
        self.wiring.is_full().then_some(Ending::Full)
    }

    fn heard(&mut self, bytes: &[u8], now: Instant) {
        // How much is read at once is not the machine's doing: what is kept ends at the limit.
        let left = self
            .wiring
            .most
            .map_or(u64::MAX, |most| most.saturating_sub(self.received));
        self.received += bytes.len() as u64;
        let bytes = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        self.watch.feed(bytes, now);
        if self.watch.prompted() && self.prompt_after.is_none() {
            self.prompt_after = Some(now - self.start);
        }
        self.wiring.output.push(bytes);
        self.last = now;
    }

    fn obey(&self) -> Option<Ending> {
        match self.wiring.signals?.asked()? {
            Asked::End(signal) => return Some(Ending::Signal(signal)),
            Asked::Stop => {
                self.wiring.terminal.inspect(|terminal| terminal.suspend());
                stop_here();
                self.wiring
                    .terminal
                    .inspect(|terminal| drop(terminal.apply()));
            }
            Asked::Continue => {
                self.wiring
                    .terminal
                    .inspect(|terminal| drop(terminal.apply()));
            }
        }
        None
    }

    /// Moves what was typed towards the machine, which gets it once its shell is there to take it.
    fn type_in(&mut self, qemu: &Emulator, typed: bool) -> Option<Ending> {
        if typed {
            match self.input.take(self.wiring.from) {
                Ok(Read::More) => {}
                Ok(Read::Leave) => return Some(Ending::Left),
                Err(error) => return Some(Ending::Broken(format!("reading the input: {error}"))),
            }
        }
        if let (true, true, Some(to)) = (self.watch.ready(), self.input.waiting(), &qemu.input) {
            self.input.give(to);
            self.last = Instant::now();
        }
        None
    }

    fn judge(&self, now: Instant) -> Option<Ending> {
        if self
            .watch
            .deadline()
            .is_some_and(|deadline| now >= deadline)
        {
            return Some(Ending::NotBooted(self.watch.diagnosis()));
        }
        if self
            .wiring
            .timeout
            .is_some_and(|limit| now >= self.start + limit)
        {
            return Some(Ending::TimedOut);
        }
        if self.wiring.until_prompt && self.watch.prompted() {
            return Some(Ending::Prompted);
        }
        match self.input.settles(&self.wiring.output, self.last) {
            Some((time, settled)) if self.watch.ready() && now >= time => Some(if settled {
                Ending::InputEnded
            } else {
                Ending::Stuck
            }),
            _ => None,
        }
    }

    /// Passes on what QEMU sent before it ended. Returns early only if the receiver fails or we must end.
    fn drain(&mut self, qemu: &Emulator) -> Option<Ending> {
        while self.receive(qemu) || self.wiring.output.backlog() >= BACKLOG {
            if let Some(ending) = self.pass_on() {
                return Some(ending);
            }
        }
        None
    }

    /// Writes out the backlog, as slowly as the receiver reads it, but for a line that may be a boot message.
    fn pass_on(&mut self) -> Option<Ending> {
        while let Some(output) = self.wiring.output.waiting() {
            let mut fds = vec![PollFd::from_borrowed_fd(output, PollFlags::OUT)];
            fds.extend(
                self.wiring
                    .signals
                    .map(|signals| watch(signals, PollFlags::IN)),
            );
            let _ = poll(&mut fds, None);
            if let Some(Asked::End(signal)) = self.wiring.signals.and_then(Signals::asked) {
                return Some(Ending::Signal(signal));
            }
            if let Err(error) = self.wiring.output.flush() {
                return Some(Ending::Broken(format!("writing the output: {error}")));
            }
        }
        None
    }

    fn finish(mut self, ending: Ending) -> Finished {
        self.wiring.output.close();
        let flushed = match ending {
            Ending::Signal(_) | Ending::Broken(_) => None,
            _ => self.pass_on(),
        };
        Finished {
            ending: flushed.unwrap_or(ending),
            last_seen: self.wiring.output.last_seen(),
            messages: String::from_utf8_lossy(&self.messages)
                .trim_end()
                .to_owned(),
            prompt_after: self.prompt_after,
            booted: self.watch.ready(),
            elapsed: self.start.elapsed(),
            transcript: self.wiring.output.transcript(),
        }
    }
}

fn watch<'a>(fd: &'a impl AsFd, flags: PollFlags) -> PollFd<'a> {
    let fd: BorrowedFd<'a> = fd.as_fd();
    PollFd::from_borrowed_fd(fd, flags)
}
