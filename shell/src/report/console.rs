//! Where text goes, and how it looks there.

use super::{Sanitised, Style};
use alloc::string::{String, ToString};

/// Something that takes bytes: a serial line, a test's buffer.
pub trait Sink {
    /// Writes all of `bytes`.
    fn write(&mut self, bytes: &[u8]);

    /// Whether the person asked, by Ctrl-C, for the running command to end. Does not wait, and
    /// loses no other input.
    fn interrupted(&mut self) -> bool {
        false
    }

    /// The next key typed, for a command that takes keys itself. Does not wait.
    fn key(&mut self) -> Option<u8> {
        None
    }

    /// From now on Ctrl-C is for what is being carried out (`true`), or for the line that is being
    /// typed. [`interrupted`](Sink::interrupted) begins anew each time.
    fn attend(&mut self, running: bool) {
        let _ = running;
    }
}

/// How output looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Whether colours may be used; without them output holds no escape sequence.
    pub colour: bool,
    /// The width of the screen in characters; 0 for one that never wraps.
    pub columns: usize,
    /// Whether a line ends with CR LF, as a terminal wants it, rather than LF.
    pub crlf: bool,
}

impl Default for Settings {
    /// A terminal of 80 columns, without colours.
    fn default() -> Self {
        Settings {
            colour: false,
            columns: 80,
            crlf: true,
        }
    }
}

impl Settings {
    /// Where paragraphs wrap: the width, within what reads well.
    pub(crate) fn text_width(&self) -> usize {
        match self.columns {
            0 => 100,
            columns => columns.clamp(20, 100),
        }
    }
}

/// A sink with its settings. All text the shell shows goes through here.
pub struct Console<'a> {
    sink: &'a mut dyn Sink,
    settings: Settings,
}

impl<'a> Console<'a> {
    /// Writes to `sink` as `settings` say.
    pub fn new(sink: &'a mut dyn Sink, settings: Settings) -> Self {
        Console { sink, settings }
    }

    /// How output looks here.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Writes `text`, made harmless; it stays on the line.
    pub fn text(&mut self, text: &str) {
        let text = Sanitised(text).to_string();
        self.sink.write(text.as_bytes());
    }

    /// Writes `text`, made harmless, in a style.
    pub fn styled(&mut self, style: Option<Style>, text: &str) {
        match style.filter(|_| self.settings.colour) {
            Some(style) => {
                self.sink.write(style.sequence().as_bytes());
                self.text(text);
                self.sink.write(b"\x1b[0m");
            }
            None => self.text(text),
        }
    }

    /// Ends the line.
    pub fn end_line(&mut self) {
        self.sink
            .write(if self.settings.crlf { b"\r\n" } else { b"\n" });
    }

    /// Writes one line, made harmless.
    pub fn line(&mut self, text: &str) {
        self.text(text);
        self.end_line();
    }

    /// Writes `count` spaces.
    pub(super) fn spaces(&mut self, count: usize) {
        let spaces: String = core::iter::repeat_n(' ', count).collect();
        self.sink.write(spaces.as_bytes());
    }

    /// The sink itself.
    pub fn sink(&mut self) -> &mut dyn Sink {
        self.sink
    }

    /// A second handle on the same sink.
    pub(crate) fn reborrow(&mut self) -> Console<'_> {
        Console {
            sink: self.sink,
            settings: self.settings,
        }
    }
}
