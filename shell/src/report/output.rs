//! What a command fills.

use super::json::Answer;
use super::{Console, Settings, Sink, Style, Table, Value};
use crate::system::Failure;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// Fields, tables and notes in the order in which they were put in.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    pub(super) items: Vec<Item>,
}

/// One thing a report says.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Item {
    Field(&'static str, Value),
    Table(&'static str, Table),
    Note(Option<Style>, String),
    /// A line of a drawing: its spans, and their text in one.
    Line(Vec<(Option<Style>, String)>, String),
    /// A part under a heading of its own.
    Section(&'static str, Report),
    /// Several parts of one shape.
    Sections(&'static str, Vec<Report>),
    /// The answers to commands that the command ran.
    Answers(&'static str, Vec<Answer>),
}

impl Item {
    /// The member of the JSON object that it is, unless it is a note.
    pub(super) fn key(&self) -> Option<&'static str> {
        match self {
            Item::Field(key, _) | Item::Table(key, _) => Some(key),
            Item::Section(key, _) | Item::Sections(key, _) | Item::Answers(key, _) => Some(key),
            Item::Note(..) | Item::Line(..) => None,
        }
    }
}

impl Report {
    /// One that says nothing yet.
    pub const fn new() -> Self {
        Report { items: Vec::new() }
    }

    /// Says that `key` is `value`. A key is lower case with `_` between words, which text shows as
    /// spaces, and appears once in a report.
    pub fn field(&mut self, key: &'static str, value: impl Into<Value>) {
        self.keyed(key, Item::Field(key, value.into()));
    }

    /// Adds a table; `key` names it in JSON.
    pub fn table(&mut self, key: &'static str, table: Table) {
        self.keyed(key, Item::Table(key, table));
    }

    /// Adds a part with fields of its own: in JSON the object `key`.
    pub fn section(&mut self, key: &'static str, section: Report) {
        self.keyed(key, Item::Section(key, section));
    }

    /// Adds several parts of one shape: in JSON an array of objects.
    pub fn sections(&mut self, key: &'static str, sections: Vec<Report>) {
        self.keyed(key, Item::Sections(key, sections));
    }

    /// Adds all that `other` says.
    pub fn append(&mut self, other: Report) {
        self.items.extend(other.items);
    }

    /// Adds the answers to commands that the command ran.
    pub(crate) fn answers(&mut self, key: &'static str, answers: Vec<Answer>) {
        self.keyed(key, Item::Answers(key, answers));
    }

    /// Adds a sentence. In JSON it joins the array `notes`.
    pub fn note(&mut self, text: impl fmt::Display) {
        self.items.push(Item::Note(None, text.to_string()));
    }

    /// Adds a sentence that is set off.
    pub fn styled_note(&mut self, style: Style, text: impl fmt::Display) {
        self.items.push(Item::Note(Some(style), text.to_string()));
    }

    /// Adds a line of a drawing, in spans of one style each: never wrapped. In JSON as a note.
    pub fn line(&mut self, spans: Vec<(Option<Style>, String)>) {
        let text = spans.iter().map(|(_, text)| text.as_str()).collect();
        self.items.push(Item::Line(spans, text));
    }

    fn keyed(&mut self, key: &'static str, item: Item) {
        debug_assert!(
            !self.items.iter().any(|other| other.key() == Some(key)),
            "a report has two members called `{key}`"
        );
        self.items.push(item);
    }
}

/// Where a command puts what it has to say.
///
/// It is shown when the command ends, when [`flush`](Output::flush) is called, and before each
/// [`progress`](Output::progress) line; as JSON all at once at the end.
pub struct Output<'a> {
    console: Console<'a>,
    mode: Mode,
    report: Report,
    /// How many of the report's items were shown as text.
    shown: usize,
}

/// What becomes of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Shown as text.
    Text,
    /// Kept, for one JSON object.
    Json,
}

impl<'a> Output<'a> {
    /// An output for the answer to one command.
    pub(crate) fn new(sink: &'a mut dyn Sink, settings: Settings, mode: Mode) -> Self {
        Output {
            console: Console::new(sink, settings),
            mode,
            report: Report::new(),
            shown: 0,
        }
    }

    /// An output that keeps everything until [`into_report`](Output::into_report), for a command
    /// whose answer is shown later. `sink` is asked only for interruptions; it must swallow what
    /// is written.
    pub fn keeping(sink: &'a mut dyn Sink, settings: Settings, json: bool) -> Self {
        let mode = if json { Mode::Json } else { Mode::Text };
        Output::new(sink, settings, mode)
    }

    /// All that was put in.
    pub fn into_report(self) -> Report {
        self.report
    }

    /// See [`Report::append`].
    pub fn append(&mut self, other: Report) {
        self.report.append(other);
    }

    /// See [`Report::field`].
    pub fn field(&mut self, key: &'static str, value: impl Into<Value>) {
        self.report.field(key, value);
    }

    /// See [`Report::table`].
    pub fn table(&mut self, key: &'static str, table: Table) {
        self.report.table(key, table);
    }

    /// See [`Report::section`].
    pub fn section(&mut self, key: &'static str, section: Report) {
        self.report.section(key, section);
    }

    /// See [`Report::sections`].
    pub fn sections(&mut self, key: &'static str, sections: Vec<Report>) {
        self.report.sections(key, sections);
    }

    /// See [`Report::note`].
    pub fn note(&mut self, text: impl fmt::Display) {
        self.report.note(text);
    }

    /// See [`Report::line`].
    pub fn line(&mut self, spans: Vec<(Option<Style>, String)>) {
        self.report.line(spans);
    }

    /// See [`Report::styled_note`].
    pub fn styled_note(&mut self, style: Style, text: impl fmt::Display) {
        self.report.styled_note(style, text);
    }

    /// Says at once how far a long run has come. Not part of the answer: JSON leaves it out.
    pub fn progress(&mut self, text: impl fmt::Display) {
        if self.mode == Mode::Text {
            self.flush();
            self.console.styled(Some(Style::Dim), &text.to_string());
            self.console.end_line();
        }
    }

    /// Shows what was put in so far, unless the answer is to be JSON.
    pub fn flush(&mut self) {
        if self.mode == Mode::Text {
            self.report.show_from(self.shown, &mut self.console, 0);
            self.shown = self.report.items.len();
        }
    }

    /// Whether the person asked, by Ctrl-C, for the command to end. A long run asks this from time
    /// to time, ends soundly, and says what it did until then.
    pub fn interrupted(&mut self) -> bool {
        self.console.sink().interrupted()
    }

    /// The next key typed, if one was. For a command that has the screen to itself.
    pub fn key(&mut self) -> Option<u8> {
        self.console.sink().key()
    }

    /// Sends bytes as they are, behind what was put in so far. For a command that has the screen to
    /// itself; never of a JSON answer.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.flush();
        self.console.sink().write(bytes);
    }

    /// An output for tests.
    #[cfg(test)]
    pub(crate) fn for_test(sink: &'a mut dyn Sink, settings: Settings) -> Self {
        Output::new(sink, settings, Mode::Text)
    }

    /// How output looks: the width, for one who lays out by hand.
    pub fn settings(&self) -> Settings {
        self.console.settings()
    }

    /// Whether the answer is to be JSON, so that what is only for the eye can be left out.
    pub fn json(&self) -> bool {
        self.mode == Mode::Json
    }

    /// The console behind, for the shell's own layouts: text mode only.
    pub(crate) fn console(&mut self) -> Console<'_> {
        self.flush();
        self.console.reborrow()
    }

    /// Ends the text: shows what is left, then the failure, if any. As JSON: the answer.
    pub(crate) fn finish(
        mut self,
        command: Option<&'static str>,
        result: &Result<(), Failure>,
    ) -> Answer {
        if self.mode == Mode::Text {
            self.flush();
            if let Err(failure) = result {
                failure.show(&mut self.console);
            }
        }
        Answer {
            command,
            failure: result.clone().err(),
            report: self.report,
        }
    }
}
