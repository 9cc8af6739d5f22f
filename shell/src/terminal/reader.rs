//! One line at a time.

use super::canvas::WIDTH;
use super::history::Recent;
use super::{Canvas, Key, Keys, Memory, NUDGE, Painter, Tty};
use crate::complete::complete;
use crate::notice;
use crate::parse::LINE_LIMIT;
use crate::repl::PROMPT;
use crate::report::Settings;
use crate::system::System;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use core::convert::Infallible;
use noline::line_buffer::{LineBuffer, SliceBuffer};
use noline::sync_editor::Editor;

// The prompt, a full line and the cursor behind it fit on noline's one row.
const _: () = assert!(PROMPT.len() + LINE_LIMIT < WIDTH);

/// What reading a line came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C: nothing is to be done.
    Abandoned,
    /// A line longer than [`LINE_LIMIT`]; none of it was kept.
    TooLong,
    /// There will be no more input.
    End,
}

/// Reads lines, with editing, history and completion.
pub struct LineReader<'a> {
    editor: Option<Editor<SliceBuffer<'a>, Recent<'a>>>,
    keys: Keys,
    /// Whether the last byte was a CR, whose LF is part of the same line end.
    after_return: bool,
    settings: Settings,
}

impl<'a> LineReader<'a> {
    /// Edits in `memory`, for a screen of such settings.
    pub fn new(memory: &'a mut Memory, settings: Settings) -> Self {
        let line = LineBuffer::from_slice(&mut memory.line);
        let history = Recent::new(&mut memory.history);
        // noline's constructor does no input or output, and cannot fail.
        let editor = Editor::new(line, history, &mut Nowhere).ok();
        LineReader {
            editor,
            keys: Keys::default(),
            after_return: false,
            settings,
        }
    }

    /// Reads the next line from `tty`. `system` gives the names for completion.
    pub fn read(&mut self, tty: &mut dyn Tty, system: &dyn System) -> Input {
        let Some(editor) = &mut self.editor else {
            return Input::End;
        };
        let mut desk = Desk {
            tty,
            system,
            keys: &mut self.keys,
            after_return: &mut self.after_return,
            canvas: Canvas::default(),
            painter: Painter::new(self.settings.columns),
            settings: self.settings,
            queue: VecDeque::new(),
            outcome: None,
            tabs: 0,
            hinted: false,
            overlong: false,
        };
        let line = editor.readline(PROMPT, &mut desk).map(ToString::to_string);
        let typed = desk.close();
        match (typed, line) {
            (Some(outcome), _) => outcome,
            (None, Ok(line)) => Input::Line(line),
            (None, Err(_)) => Input::Abandoned,
        }
    }
}

/// What stands between noline and the terminal while one line is edited.
struct Desk<'a> {
    tty: &'a mut dyn Tty,
    system: &'a dyn System,
    keys: &'a mut Keys,
    after_return: &'a mut bool,
    canvas: Canvas,
    painter: Painter,
    settings: Settings,
    /// What noline reads next: well-formed keys and answers only.
    queue: VecDeque<u8>,
    /// What the line came to, if it is not noline that says.
    outcome: Option<Input>,
    /// Tabs in a row that could add nothing.
    tabs: usize,
    hinted: bool,
    /// Whether the line grew beyond its limit: the rest of it is dropped.
    overlong: bool,
}

impl Desk<'_> {
    /// The next byte for noline; `None` at the end of input.
    fn next(&mut self) -> Option<u8> {
        loop {
            if let Some(byte) = self.queue.pop_front() {
                return Some(byte);
            }
            self.paint();
            let Some(byte) = self.tty.read() else {
                self.outcome = Some(Input::End);
                return None;
            };
            if byte == NUDGE {
                self.tell();
                continue;
            }
            let key = self.keys.feed(byte);
            let joined = byte == b'\n' && core::mem::replace(self.after_return, byte == b'\r');
            *self.after_return = byte == b'\r';
            if let Some(key) = key.filter(|_| !joined) {
                self.press(key);
            }
        }
    }

    /// Shows what the system has to tell below the line, and the line again below that.
    fn tell(&mut self) {
        let notices = self.system.notices();
        if !notices.is_empty() {
            self.painter.leave(self.tty);
            notice::show(&notices, self.tty, self.settings);
        }
    }

    fn paint(&mut self) {
        let bell = self.canvas.take_bell();
        self.painter
            .paint(self.tty, self.canvas.cells(), self.canvas.cursor(), bell);
    }

    fn press(&mut self, key: Key) {
        if key != Key::Tab {
            self.tabs = 0;
        }
        match key {
            Key::Interrupt => self.abandon(Input::Abandoned),
            Key::Enter if self.overlong => self.abandon(Input::TooLong),
            _ if self.overlong => {}
            Key::Char(character) => self.type_character(character),
            Key::Tab => self.complete(),
            Key::Clear => self.clear_screen(),
            Key::EndOfInput if self.line_bytes() == 0 => self.hint(),
            other => self.queue.extend(code(other)),
        }
    }

    fn line_bytes(&self) -> usize {
        self.canvas.bytes_from(PROMPT.len())
    }

    fn abandon(&mut self, outcome: Input) {
        self.outcome = Some(outcome);
        self.queue.push_back(0x03);
    }

    fn type_character(&mut self, character: char) {
        if self.line_bytes() + character.len_utf8() > LINE_LIMIT {
            self.overlong = true;
            self.tty.write(b"\x07");
            return;
        }
        let mut bytes = [0; 4];
        self.queue.extend(character.encode_utf8(&mut bytes).bytes());
    }

    fn clear_screen(&mut self) {
        self.tty.write(b"\x1b[H\x1b[2J");
        self.painter.restart();
    }

    fn hint(&mut self) {
        if !core::mem::replace(&mut self.hinted, true) {
            self.aside("Ctrl-D does not end the shell; `quit` ends the machine.");
        }
    }

    /// Shows `text` below the line, and the line again below that.
    fn aside(&mut self, text: &str) {
        self.painter.leave(self.tty);
        self.tty.write(text.as_bytes());
        self.tty.write(b"\r\n");
    }

    /// Adds what all candidates agree on; if that is nothing, rings, and at the second Tab lists
    /// them.
    fn complete(&mut self) {
        let left = self.canvas.text(PROMPT.len(), self.canvas.cursor());
        let completion = complete(&left, self.system);
        let typed = left.get(completion.start..).unwrap_or_default();
        let mut addition = completion
            .common_prefix()
            .strip_prefix(typed)
            .unwrap_or_default()
            .to_string();
        if let [only] = completion.candidates.as_slice()
            && !only.ends_with('=')
        {
            addition.push(' ');
        }
        if !addition.is_empty() && self.line_bytes() + addition.len() <= LINE_LIMIT {
            // What was added is all they agree on, so the next Tab is the second.
            self.tabs = usize::from(completion.candidates.len() > 1);
            self.queue.extend(addition.bytes());
            return;
        }
        self.tabs += 1;
        if self.tabs < 2 || completion.candidates.is_empty() {
            self.tty.write(b"\x07");
            return;
        }
        self.tabs = 0;
        self.aside(&list(&completion.candidates));
    }

    /// Leaves the line on the screen as it is, below it the cursor; gives what the line came to.
    fn close(mut self) -> Option<Input> {
        let end = self.canvas.cells().len();
        self.painter
            .paint(self.tty, self.canvas.cells(), end, false);
        match &self.outcome {
            Some(Input::Abandoned) => self.tty.write(b"^C"),
            Some(Input::TooLong) => self.tty.write(b"..."),
            _ => {}
        }
        self.painter.leave(self.tty);
        self.outcome
    }
}

/// The bytes by which noline knows `key`.
fn code(key: Key) -> &'static [u8] {
    match key {
        Key::Enter => b"\r",
        Key::Backspace => b"\x08",
        Key::Delete => b"\x1b[3~",
        Key::Left => b"\x02",
        Key::Right => b"\x06",
        Key::Up => b"\x10",
        Key::Down => b"\x0e",
        Key::Home => b"\x01",
        Key::End => b"\x05",
        Key::EndOfInput => b"\x04",
        Key::KillToEnd => b"\x0b",
        Key::KillLine => b"\x15",
        Key::KillWord => b"\x17",
        Key::Swap => b"\x14",
        Key::Char(_) | Key::Tab | Key::Interrupt | Key::Clear => b"",
    }
}

impl embedded_io::ErrorType for Desk<'_> {
    type Error = Infallible;
}

impl embedded_io::Read for Desk<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let Some(place) = buffer.first_mut() else {
            return Ok(0);
        };
        match self.next() {
            Some(byte) => {
                *place = byte;
                Ok(1)
            }
            None => Ok(0),
        }
    }
}

impl embedded_io::Write for Desk<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.canvas.write(bytes);
        if self.canvas.take_query() {
            let answer = format!("\x1b[1;{}R", self.canvas.cursor() + 1);
            self.queue.extend(answer.bytes());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The input and output of noline's constructor, which uses neither.
struct Nowhere;

impl embedded_io::ErrorType for Nowhere {
    type Error = Infallible;
}

impl embedded_io::Read for Nowhere {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, Infallible> {
        Ok(0)
    }
}

impl embedded_io::Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Candidates side by side, as many in a row as fit on a narrow screen.
fn list(candidates: &[String]) -> String {
    const ROOM: usize = 76;
    let widest = candidates.iter().map(String::len).max().unwrap_or(0) + 2;
    let each_row = (ROOM / widest).max(1);
    let mut text = String::new();
    for (index, candidate) in candidates.iter().enumerate() {
        if index > 0 && index % each_row == 0 {
            text.push_str("\r\n");
        }
        let last = index + 1 == candidates.len() || (index + 1) % each_row == 0;
        let width = if last { 0 } else { widest };
        text.push_str(&format!("{candidate:width$}"));
    }
    text
}
