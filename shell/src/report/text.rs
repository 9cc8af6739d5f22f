//! A report as text.

use super::output::{Item, Report};
use super::table::width;
use super::{Console, Style, Value};
use crate::system::Failure;
use alloc::string::String;
use alloc::vec::Vec;

impl Report {
    /// Writes it, each line after `indent` spaces.
    pub(crate) fn show(&self, console: &mut Console<'_>, indent: usize) {
        self.show_from(0, console, indent);
    }

    /// The same, from item `first` on.
    pub(super) fn show_from(&self, first: usize, console: &mut Console<'_>, indent: usize) {
        let mut rest = self.items.get(first..).unwrap_or_default();
        while let Some(first) = rest.first() {
            let fields = rest
                .iter()
                .take_while(|item| matches!(item, Item::Field(..)))
                .count();
            let (now, later) = rest.split_at(fields.max(1));
            match first {
                Item::Field(..) => show_fields(console, indent, now),
                Item::Table(_, table) => table.show(console, indent),
                Item::Note(style, text) => show_note(console, indent, *style, text),
                Item::Line(spans, _) => show_line(console, indent, spans),
                Item::Section(key, section) => show_section(console, indent, key, section),
                Item::Sections(key, sections) => {
                    for section in sections {
                        show_section(console, indent, key, section);
                    }
                }
                // What ran in text was shown in text as it ran.
                Item::Answers(..) => {}
            }
            rest = later;
        }
    }
}

/// A key as text shows it.
fn label(key: &str) -> String {
    key.replace('_', " ")
}

fn show_section(console: &mut Console<'_>, indent: usize, key: &str, section: &Report) {
    console.spaces(indent);
    console.styled(Some(Style::Strong), &label(key));
    console.end_line();
    section.show(console, indent + 2);
}

fn show_fields(console: &mut Console<'_>, indent: usize, items: &[Item]) {
    let fields = || {
        items.iter().filter_map(|item| match item {
            Item::Field(key, value) => Some((label(key), value)),
            _ => None,
        })
    };
    let widest = fields().map(|(label, _)| width(&label)).max().unwrap_or(0);
    for (label, value) in fields() {
        show_field(console, indent, widest, &label, value);
    }
}

fn show_field(console: &mut Console<'_>, indent: usize, widest: usize, label: &str, value: &Value) {
    console.spaces(indent);
    console.styled(Some(Style::Dim), label);
    console.spaces(widest.saturating_sub(width(label)) + 2);
    console.styled(value.style(), &value.text());
    console.end_line();
}

fn show_note(console: &mut Console<'_>, indent: usize, style: Option<Style>, text: &str) {
    let room = console
        .settings()
        .text_width()
        .saturating_sub(indent)
        .max(20);
    for line in wrap(text, room) {
        console.spaces(indent);
        console.styled(style, &line);
        console.end_line();
    }
}

fn show_line(console: &mut Console<'_>, indent: usize, spans: &[(Option<Style>, String)]) {
    console.spaces(indent);
    for (style, text) in spans {
        console.styled(*style, text);
    }
    console.end_line();
}

/// `text` in lines of at most `room` characters, broken between words where they allow it. Line
/// breaks in `text` stay, and so do the spaces with which one of its lines begins.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let indent: String = paragraph
            .chars()
            .take_while(|&character| character == ' ')
            .collect();
        let mut line = indent.clone();
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let fresh = line.trim_start().is_empty();
            if !fresh && width(&line) + 1 + width(word) > room {
                lines.push(core::mem::replace(&mut line, indent.clone()));
            } else if !fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

impl Failure {
    /// Writes it as text: the error, and below it what helps.
    pub(crate) fn show(&self, console: &mut Console<'_>) {
        console.styled(Some(Style::Bad), "error:");
        console.text(" ");
        console.line(&self.message);
        let helps = [
            ("  ", &self.hint),
            ("  expected ", &self.expected),
            ("  usage: ", &self.usage),
        ];
        for (lead, text) in helps {
            if let Some(text) = text {
                hang(console, lead, lead.len(), text);
            }
        }
    }
}

/// Writes `lead`, padded to `indent` characters, and `text` wrapped beside it.
pub(crate) fn hang(console: &mut Console<'_>, lead: &str, indent: usize, text: &str) {
    let room = console
        .settings()
        .text_width()
        .saturating_sub(indent)
        .max(20);
    let mut lead = lead;
    for line in wrap(text, room) {
        console.text(lead);
        console.spaces(indent.saturating_sub(width(lead)));
        console.line(&line);
        lead = "";
    }
}
