//! The way out: from the machine's COM1 to standard output, a transcript, or both.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, write};

use crate::watchdog::PROMPT;

/// Bytes written at once: what a pipe that polls writable takes without blocking.
const CHUNK: usize = 4096;
/// Bytes kept of the current line, to see whether it is the prompt's.
const LINE: usize = 4096;

/// Passes on what the machine sends, and remembers what a run's ending has to be judged by.
#[derive(Debug)]
pub struct Output<'a> {
    to: Option<BorrowedFd<'a>>,
    queue: VecDeque<u8>,
    transcript: Option<Vec<u8>>,
    skip_boot: bool,
    held_return: bool,
    line: Vec<u8>,
    last_line: Vec<u8>,
    prompts: u64,
}

impl<'a> Output<'a> {
    /// Passes everything on, with plain newlines: a terminal turns them into its own, in raw mode too. With
    /// `skip_boot` the kernel's boot messages are left out.
    #[must_use]
    pub fn lines(to: BorrowedFd<'a>, skip_boot: bool) -> Self {
        Self {
            skip_boot,
            ..Self::new(Some(to))
        }
    }

    /// Keeps everything, with plain newlines, for [`Output::transcript`].
    #[must_use]
    pub fn kept() -> Output<'static> {
        Output {
            transcript: Some(Vec::new()),
            ..Output::new(None)
        }
    }

    fn new(to: Option<BorrowedFd<'a>>) -> Self {
        Self {
            to,
            queue: VecDeque::new(),
            transcript: None,
            skip_boot: false,
            held_return: false,
            line: Vec::new(),
            last_line: Vec::new(),
            prompts: 0,
        }
    }

    /// Takes what the machine sent.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // A return before a newline belongs to it; any other return is the machine's own.
            if std::mem::take(&mut self.held_return) && byte != b'\n' {
                self.pass(b'\r');
            }
            match byte {
                b'\r' => self.held_return = true,
                _ => self.pass(byte),
            }
        }
    }

    fn pass(&mut self, byte: u8) {
        if let Some(transcript) = &mut self.transcript {
            transcript.push(byte);
        }
        self.note(byte);
        if self.to.is_none() {
            return;
        }
        self.queue.push_back(byte);
        let skipped = self.last_line.starts_with(b"boot: ") && self.last_line.len() < LINE;
        if byte == b'\n' && self.skip_boot && skipped {
            // It was held back whole: see `sendable`.
            self.queue
                .truncate(self.queue.len() - self.last_line.len() - 1);
        }
    }

    fn note(&mut self, byte: u8) {
        match byte {
            b'\n' => self.last_line = std::mem::take(&mut self.line),
            _ if self.line.len() < LINE => self.line.push(byte),
            _ => {}
        }
        self.prompts += u64::from(self.line.ends_with(PROMPT.as_bytes()) && byte == b' ');
    }

    /// Where the bytes go that still wait, if some do.
    #[must_use]
    pub fn waiting(&self) -> Option<BorrowedFd<'a>> {
        (self.sendable() > 0).then_some(self.to).flatten()
    }

    /// Bytes that are taken in but not passed on: the machine is not read while they are many.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.queue.len()
    }

    /// The start of a line that may turn out to be a boot message waits for the rest.
    fn sendable(&self) -> usize {
        let start = &self.line[..self.line.len().min(6)];
        let held = self.skip_boot && b"boot: ".starts_with(start) && self.line.len() < LINE;
        self.queue
            .len()
            .saturating_sub(if held { self.line.len() } else { 0 })
    }

    /// Writes as much as the receiver takes without blocking, once it polls writable.
    ///
    /// # Errors
    /// The receiver is gone or its disk is full.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(to) = self.to else { return Ok(()) };
        let ready = self.sendable().min(CHUNK);
        if ready == 0 {
            return Ok(());
        }
        let contiguous = &self.queue.as_slices().0;
        match write(to, &contiguous[..contiguous.len().min(ready)]) {
            Ok(written) => drop(self.queue.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The bytes that end the output are passed on even if they might have become a boot message.
    pub fn close(&mut self) {
        self.skip_boot = false;
        if std::mem::take(&mut self.held_return) {
            self.pass(b'\r');
        }
    }

    /// How often the prompt was shown.
    #[must_use]
    pub fn prompts(&self) -> u64 {
        self.prompts
    }

    /// Whether the machine's cursor is on a line with the prompt.
    #[must_use]
    pub fn at_prompt(&self) -> bool {
        self.line
            .windows(PROMPT.len())
            .any(|window| window == PROMPT.as_bytes())
    }

    /// The last line with anything on it, made printable: what to tell when a run stops in the middle.
    #[must_use]
    pub fn last_seen(&self) -> String {
        let line = if self.line.is_empty() {
            &self.last_line
        } else {
            &self.line
        };
        match line.is_empty() {
            true => "nothing".to_owned(),
            false => String::from_utf8_lossy(line).escape_debug().to_string(),
        }
    }

    /// Everything that was kept.
    #[must_use]
    pub fn transcript(self) -> Vec<u8> {
        self.transcript.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    fn passed(skip_boot: bool, pieces: &[&[u8]]) -> String {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut output = Output::lines(writer.as_fd(), skip_boot);
        for piece in pieces {
            output.push(piece);
            output.flush().unwrap();
        }
        output.close();
        while output.waiting().is_some() {
            output.flush().unwrap();
        }
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn carriage_returns_left_in_a_transcript() {
        assert_eq!(
            passed(false, &[b"a\r\nb\r", b"\nc\rd\r\r\n"]),
            "a\nb\nc\rd\r\n"
        );
    }

    #[test]
    fn a_boot_message_split_between_reads_shown_anyway() {
        let pieces: [&[u8]; 5] = [b"bo", b"ot: cpus", b"\nbook\n", b"tlb> boot: x\nboot", b""];
        assert_eq!(passed(true, &pieces), "book\ntlb> boot: x\nboot");
    }

    #[test]
    fn a_prompt_in_the_middle_of_other_text_missed_or_counted_twice() {
        let mut output = Output::kept();
        output.push(b"\r\ntlb");
        output.push(b"> help");
        assert!(output.at_prompt());
        assert_eq!(output.prompts(), 1);
        output.push(b"\r\nlist\r\n");
        assert!(!output.at_prompt());
        output.push(b"tlb> ");
        assert_eq!(output.prompts(), 2);
        assert_eq!(output.transcript(), b"\ntlb> help\nlist\ntlb> ");
    }
}
