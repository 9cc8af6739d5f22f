//! The way in: from the person's terminal, or a pipe, to the machine's COM1.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::{Errno, read, write};

use crate::output::Output;

/// The key that leaves a run: Ctrl-].
pub const LEAVE: u8 = 0x1d;
/// Bytes that may wait for the machine before no more are read.
const QUEUE: usize = 1 << 16;
/// Silence after the last input after which the output has settled, when every line was answered.
const SETTLED: Duration = Duration::from_millis(250);
/// The same when there are fewer prompts than lines: a program may have read some of them.
const UNANSWERED: Duration = Duration::from_millis(1500);
/// Silence of a command that runs before it counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

/// What standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Not used: a script is in the initrd.
    None,
    /// A person, who leaves by a key.
    Terminal,
    /// Anything else: its end is the end of the run.
    Pipe,
}

/// What a read from the person brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes for the machine, or none yet.
    More,
    /// The key that leaves.
    Leave,
}

/// Holds what was typed until the machine takes it.
#[derive(Debug)]
pub struct Input {
    source: Source,
    queue: VecDeque<u8>,
    ended: bool,
    lines: u64,
}

impl Input {
    /// Reads from `source`.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            queue: VecDeque::new(),
            ended: source == Source::None,
            lines: 0,
        }
    }

    /// Whether more should be read.
    #[must_use]
    pub fn wanted(&self) -> bool {
        !self.ended && self.queue.len() < QUEUE
    }

    /// Whether something waits for the machine.
    #[must_use]
    pub fn waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Reads once from `from`, which polled readable. A vanished terminal counts as the end of the input.
    ///
    /// # Errors
    /// Whatever a read of something that is not a terminal fails with.
    pub fn take(&mut self, from: BorrowedFd<'_>) -> io::Result<Read> {
        let mut buffer = [0; 4096];
        let bytes = match read(from, &mut buffer) {
            Ok(count) => &buffer[..count],
            Err(Errno::INTR | Errno::AGAIN) => return Ok(Read::More),
            Err(Errno::IO) => &[],
            Err(error) => return Err(error.into()),
        };
        self.ended = bytes.is_empty();
        if self.source == Source::Terminal && bytes.contains(&LEAVE) {
            return Ok(Read::Leave);
        }
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.queue.extend(bytes);
        Ok(Read::More)
    }

    /// Writes to the machine what it takes without blocking. What a machine that ended has not taken is lost.
    pub fn give(&mut self, to: &impl AsFd) {
        match write(to, self.queue.as_slices().0) {
            Ok(written) => drop(self.queue.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.queue.clear(),
        }
    }

    /// When the run is over unless the machine sends something before: `None` while there is more input.
    /// `last` is when bytes last went either way. The flag tells a settled machine from a stuck one.
    #[must_use]
    pub fn settles(&self, output: &Output<'_>, last: Instant) -> Option<(Instant, bool)> {
        // A machine held back by a slow reader is not silent.
        let moving = self.waiting() || output.waiting().is_some();
        if self.source == Source::None || !self.ended || moving {
            return None;
        }
        Some(match (output.at_prompt(), output.prompts() > self.lines) {
            (true, true) => (last + SETTLED, true),
            (true, false) => (last + UNANSWERED, true),
            (false, _) => (last + STUCK, false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write, pipe};

    fn after(source: Source, bytes: &[u8]) -> (Input, Read) {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(bytes).unwrap();
        let mut input = Input::new(source);
        let read = input.take(reader.as_fd()).unwrap();
        drop(writer);
        if read == Read::More {
            input.take(reader.as_fd()).unwrap();
        }
        (input, read)
    }

    #[test]
    fn the_leaving_key_swallowed_from_a_pipe_of_binary_noise() {
        assert_eq!(after(Source::Terminal, b"ab\x1d").1, Read::Leave);
        let (input, read) = after(Source::Pipe, b"ab\x1d");
        assert_eq!((input.queue.len(), read), (3, Read::More));
    }

    #[test]
    fn a_run_left_while_its_last_command_still_works() {
        let (mut input, _) = after(Source::Pipe, b"storm\n");
        let (now, mut output) = (Instant::now(), Output::kept());
        output.push(b"tlb> ");
        assert_eq!(
            input.settles(&output, now),
            None,
            "the machine has not taken the line yet"
        );
        input.queue.clear();
        assert_eq!(input.settles(&output, now), Some((now + UNANSWERED, true)));
        output.push(b"storm\r\n");
        assert_eq!(input.settles(&output, now), Some((now + STUCK, false)));
        output.push(b"done\r\ntlb> ");
        assert_eq!(input.settles(&output, now), Some((now + SETTLED, true)));
    }
}
