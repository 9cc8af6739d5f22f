//! Evidence as text: lanes, and lists of records.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use chart::operands;
use evidence::lanes::{self, Line, Style, View};
use shootdown::CpuSet;

use super::{Shown, TraceArgs};
use crate::say;
use crate::status::{Failure, Status};
use crate::terminal;

/// The shootdowns that were asked for, as lanes.
///
/// # Errors
/// [`Status::Usage`] for a number that no shootdown has.
pub(super) fn drawings(args: &TraceArgs, shown: &Shown) -> Result<String, Failure> {
    let count = shown.timeline.shootdowns().len();
    let chosen = match args.shootdown {
        Some(number) if number < count => number..number + 1,
        Some(number) => {
            let have = match count {
                0 => "none in it".to_owned(),
                _ => format!("only 0 to {}", count - 1),
            };
            let message = format!("there is no shootdown {number}, {have}");
            return Err(Failure::new(Status::Usage, message));
        }
        None => count.saturating_sub(args.last)..count,
    };
    let colour = io::stdout().is_terminal() && say::colour_allowed();
    let view = view(args, shown);
    let mut text = summary(shown);
    for number in chosen {
        text.push('\n');
        for line in lanes::draw(&shown.timeline, number, &view) {
            push(&mut text, &line, colour);
        }
    }
    Ok(text)
}

fn view(args: &TraceArgs, shown: &Shown) -> View {
    let width = args.width.or_else(terminal::columns).unwrap_or(80);
    let header = shown.evidence.header.as_ref();
    View {
        width: usize::from(width),
        ascii: args.ascii,
        tsc_khz: header.map_or(0, |header| header.tsc_khz),
        cpus: args.lanes.unwrap_or(CpuSet::EMPTY),
    }
}

/// One line: what the run was, and how much there is of it.
pub(super) fn summary(shown: &Shown) -> String {
    let mut text = String::new();
    if let Some(header) = &shown.evidence.header {
        let _ = write!(
            text,
            "{} CPUs, {}, {}, {}, seed {}: ",
            header.cpus, header.protocol, header.apic, header.mode, header.seed
        );
    }
    let _ = writeln!(
        text,
        "{} shootdowns, {} records",
        shown.timeline.shootdowns().len(),
        shown.evidence.records.len()
    );
    text
}

fn push(text: &mut String, line: &Line, colour: bool) {
    for span in &line.0 {
        match code(span.style).filter(|_| colour) {
            Some(code) => {
                let _ = write!(text, "\x1b[{code}m{}\x1b[0m", span.text);
            }
            None => text.push_str(&span.text),
        }
    }
    text.push('\n');
}

/// The colour of a style, as SGR parameters.
const fn code(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Dim => Some("2"),
        Style::Heading => Some("1"),
        Style::Initiator => Some("36"),
        Style::Target => Some("33"),
        Style::Arrow => Some("35"),
        Style::Off => Some("34"),
        Style::Fault => Some("1;31"),
        Style::Stale => Some("31"),
        Style::Good => Some("32"),
    }
}

/// The records, one a line, in the order of time.
pub(super) fn records(args: &TraceArgs, shown: &Shown) -> String {
    let mut text = summary(shown);
    let records = shown.timeline.records();
    let first = records.first().map_or(0, |record| record.tsc);
    for record in records {
        if args.lanes.is_none_or(|lanes| lanes.contains(record.cpu)) {
            let ticks = record.tsc - first;
            let name = record.event.name();
            let (cpu, number) = (record.cpu.index(), record.number);
            let operands = operands(record);
            let line = format!("{ticks:>12}  CPU {cpu:<2} {number:>6}  {name:<16}  {operands}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}
