//! Drawing shootdowns as text: a lane for each CPU, time downward, interrupts as arrows.
//!
//! The lines come as spans with a [`Style`] each, which whoever shows them maps to colours; they
//! read as well without.

use crate::timeline::{Outcome, Shootdown};
use crate::{Kind, Timeline};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use shootdown::{CpuId, CpuSet};

mod canvas;
mod label;
mod state;

#[cfg(test)]
mod tests;

use canvas::Canvas;
use label::Row;
use state::States;

/// What a span of text is, for who gives it a colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Nothing particular.
    Plain,
    /// Of no interest to this shootdown.
    Dim,
    /// A heading.
    Heading,
    /// An initiator's doing.
    Initiator,
    /// A target's doing, with interrupts off.
    Target,
    /// An interrupt on its way.
    Arrow,
    /// Interrupts that a protocol masked.
    Off,
    /// An injected fault.
    Fault,
    /// A translation that should be gone.
    Stale,
    /// A good end.
    Good,
}

/// Text in one style, without line breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// How it is to look.
    pub style: Style,
    /// What it says.
    pub text: String,
}

/// A line of a drawing, without trailing spaces.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Line(pub Vec<Span>);

impl Line {
    fn of(style: Style, text: impl Into<String>) -> Line {
        let text = text.into();
        Line(alloc::vec![Span { style, text }])
    }
}

impl core::fmt::Display for Line {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|span| f.write_str(&span.text))
    }
}

/// How to draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// The most characters in a line, at least 40.
    pub width: usize,
    /// Whether to use ASCII only.
    pub ascii: bool,
    /// Ticks a millisecond, to say how long it took; 0 if that is not known.
    pub tsc_khz: u64,
    /// The CPUs to give lanes to; where it is empty, those that took part.
    pub cpus: CpuSet,
}

impl Default for View {
    /// 80 columns, with box-drawing characters.
    fn default() -> Self {
        View {
            width: 80,
            ascii: false,
            tsc_khz: 0,
            cpus: CpuSet::EMPTY,
        }
    }
}

/// The most rows of one drawing; what is between its beginning and its end is left out then.
const MOST_ROWS: usize = 120;
/// The width of the column of times.
const TIME: usize = 8;
/// The least width of a lane.
const LANE: usize = 14;

/// Draws shootdown `index` of `timeline`: from the page-table change that it is for until its last
/// target has left its handler. Nothing if there is no such shootdown.
pub fn draw(timeline: &Timeline, index: usize, view: &View) -> Vec<Line> {
    let Some(shootdown) = timeline.shootdowns().get(index) else {
        return Vec::new();
    };
    let last = last_record(timeline, shootdown);
    let taking_part = part(timeline, shootdown, last);
    let mut lines = heading(timeline, index, shootdown, view);
    let stores = shootdown.stores.iter().copied();
    let drawing = Drawing::new(timeline, view, taking_part, Some(shootdown));
    lines.append(&mut drawing.lines(
        stores.chain(shootdown.begin..=last),
        timeline.tsc(shootdown.begin),
    ));
    lines
}

/// Draws records `from` to `to` of `timeline`, both included, whatever they are part of.
pub fn window(timeline: &Timeline, from: usize, to: usize, view: &View) -> Vec<Line> {
    let end = timeline.records().len();
    let (from, to) = (from.min(end), to.saturating_add(1).min(end));
    let records = &timeline.records()[from..to.max(from)];
    let Some(first) = records.first() else {
        return Vec::new();
    };
    let cpus = records.iter().map(|record| record.cpu).collect();
    Drawing::new(timeline, view, cpus, None).lines(from..to, first.tsc)
}

/// The last record that belongs to the shootdown: its end, or a target's leaving of its handler.
fn last_record(timeline: &Timeline, shootdown: &Shootdown) -> usize {
    let end = shootdown.end.or(shootdown.steps.last().copied());
    let services = shootdown
        .services
        .iter()
        .map(|&service| &timeline.services()[service]);
    let left = services.filter_map(|service| {
        let handler = service.handler.map(|handler| &timeline.handlers()[handler]);
        handler
            .and_then(|handler| handler.leave)
            .or(service.executed.last().copied())
            .or(service.acknowledge)
    });
    left.chain(end).max().unwrap_or(shootdown.begin)
}

/// The CPUs that took part in it, or should have.
fn part(timeline: &Timeline, shootdown: &Shootdown, last: usize) -> CpuSet {
    let served = shootdown.services.iter();
    let served = served.map(|&service| timeline.services()[service].cpu);
    let notable = timeline.records()[shootdown.begin..=last].iter();
    let notable = notable.filter(|record| record.is(Kind::Fault) || record.is(Kind::Stale));
    served
        .chain(notable.map(|record| record.cpu))
        .collect::<CpuSet>()
        .or(shootdown.targets())
        .or(shootdown.holders.and(timeline.cpus()))
        .with(shootdown.initiator)
}

fn heading(timeline: &Timeline, index: usize, shootdown: &Shootdown, view: &View) -> Vec<Line> {
    let targets = shootdown.targets();
    let mut text = format!(
        "shootdown {index}: {}, by CPU {} ",
        shootdown.request, shootdown.initiator
    );
    if targets.is_empty() {
        text.push_str("alone");
    } else {
        text.push_str(&format!("at {targets}"));
    }
    if let Some(generation) = shootdown.generation {
        text.push_str(&format!(", generation {generation}"));
    }
    let (style, outcome) = match (shootdown.outcome, shootdown.end) {
        (Outcome::Acknowledged, Some(end)) => {
            let ticks = timeline.tsc(end) - timeline.tsc(shootdown.begin);
            (
                Style::Good,
                format!("acknowledged after {}", lasted(ticks, view)),
            )
        }
        (Outcome::Abandoned, Some(end)) => {
            let ticks = timeline.tsc(end) - timeline.tsc(shootdown.begin);
            (
                Style::Stale,
                format!("abandoned after {}", lasted(ticks, view)),
            )
        }
        _ => (Style::Fault, "not ended".into()),
    };
    alloc::vec![
        Line::of(Style::Heading, text),
        Line::of(style, outcome),
        Line::default(),
    ]
}

fn lasted(ticks: u64, view: &View) -> String {
    if view.tsc_khz == 0 {
        return format!("{ticks} ticks");
    }
    let ns = u128::from(ticks) * 1_000_000 / u128::from(view.tsc_khz);
    match ns {
        0..10_000 => format!("{ticks} ticks, {ns} ns"),
        10_000..10_000_000 => format!("{ticks} ticks, {} us", ns / 1000),
        _ => format!("{ticks} ticks, {} ms", ns / 1_000_000),
    }
}

/// One drawing of lanes.
struct Drawing<'t> {
    timeline: &'t Timeline,
    view: &'t View,
    /// The CPUs with lanes, in their order.
    lanes: Vec<CpuId>,
    /// Those for which there is no room.
    left_out: CpuSet,
    /// The shootdown that it is about.
    shootdown: Option<&'t Shootdown>,
}

impl<'t> Drawing<'t> {
    fn new(
        timeline: &'t Timeline,
        view: &'t View,
        taking_part: CpuSet,
        shootdown: Option<&'t Shootdown>,
    ) -> Self {
        let wanted = match view.cpus {
            CpuSet::EMPTY => taking_part,
            some => some,
        };
        let room = (view.width.max(40) - TIME) / LANE;
        let first = shootdown.map(|shootdown| shootdown.initiator);
        let first = first.filter(|&cpu| wanted.contains(cpu));
        let others = wanted.into_iter().filter(|&cpu| Some(cpu) != first);
        let chosen: CpuSet = first.into_iter().chain(others).take(room).collect();
        Drawing {
            timeline,
            view,
            lanes: chosen.into_iter().collect(),
            left_out: wanted.minus(chosen),
            shootdown,
        }
    }

    fn lane_width(&self) -> usize {
        ((self.view.width.max(40) - TIME) / self.lanes.len().max(1)).min(24)
    }

    /// The column at which `cpu`'s lane begins.
    fn column(&self, cpu: CpuId) -> Option<usize> {
        let lane = self.lanes.iter().position(|&other| other == cpu)?;
        Some(TIME + lane * self.lane_width())
    }

    fn lines(&self, indices: impl Iterator<Item = usize>, zero: u64) -> Vec<Line> {
        let rows = label::rows(self, indices);
        let mut states = States::new(self);
        let mut lines = alloc::vec![self.names()];
        let (head, tail) = if rows.len() > MOST_ROWS {
            (MOST_ROWS / 2, rows.len() - MOST_ROWS / 2)
        } else {
            (rows.len(), rows.len())
        };
        for (number, row) in rows.iter().enumerate() {
            states.before(self, row);
            if number < head || number >= tail {
                let ticks = self.timeline.tsc(row.first) as i64 - zero as i64;
                lines.push(self.row(row, &states, ticks));
            } else if number == head {
                let text = format!("        ... {} rows more ...", tail - head);
                lines.push(Line::of(Style::Dim, text));
            }
            states.after(self, row);
        }
        lines.extend(states.legend(self.view));
        if !self.left_out.is_empty() {
            let text = format!("        no room for CPUs {}", self.left_out);
            lines.push(Line::of(Style::Dim, text));
        }
        lines
    }

    /// The CPUs' names above their lanes.
    fn names(&self) -> Line {
        let mut canvas = Canvas::new(self.view.width);
        canvas.write(0, Style::Dim, "  ticks");
        for (lane, cpu) in self.lanes.iter().enumerate() {
            let column = TIME + lane * self.lane_width();
            canvas.write(column, Style::Heading, &format!("CPU {cpu}"));
        }
        canvas.line()
    }

    fn row(&self, row: &Row, states: &States, ticks: i64) -> Line {
        let mut canvas = Canvas::new(self.view.width);
        canvas.write(0, Style::Dim, &format!("{:>7}", time(ticks)));
        for (lane, _) in self.lanes.iter().enumerate() {
            let column = TIME + lane * self.lane_width();
            states.gutter(lane, self.view.ascii, |offset, style, glyph| {
                canvas.put(column + offset, style, glyph);
            });
        }
        if let Some(column) = self.column(row.cpu) {
            // A narrow lane has no room for a space between its marks and its text.
            let start = if self.lane_width() > 18 { 3 } else { 2 };
            let room = self.lane_width() - start;
            let label: String = row.label.chars().take(room).collect();
            canvas.write(column + start, row.style, &label);
            let end = column + start + label.chars().count();
            self.arrows(&mut canvas, column, end, row.sent);
        }
        canvas.line()
    }

    /// The interrupts that a row sends: from its label, or from left of its lane, to the targets.
    fn arrows(&self, canvas: &mut Canvas, lane: usize, label_end: usize, sent: CpuSet) {
        let (line, head) = if self.view.ascii {
            ('-', 'v')
        } else {
            ('─', '▼')
        };
        // The head is where the mark of an interrupt under way goes on below it.
        let targets = || {
            sent.into_iter()
                .filter_map(|cpu| Some(self.column(cpu)? + 1))
        };
        let right = targets().filter(|&column| column > lane).max();
        let left = targets().filter(|&column| column < lane).min();
        for column in label_end + 1..right.unwrap_or(0) {
            canvas.put(column, Style::Arrow, line);
        }
        for column in left.unwrap_or(lane)..lane {
            canvas.put(column, Style::Arrow, line);
        }
        for column in targets() {
            canvas.put(column, Style::Arrow, head);
        }
    }
}

/// A time before or after the beginning, in at most seven characters.
fn time(ticks: i64) -> String {
    let size = ticks.unsigned_abs();
    let sign = if ticks < 0 { '-' } else { '+' };
    match size {
        0..1_000_000 => format!("{sign}{size}"),
        1_000_000..10_000_000_000 => format!("{sign}{}.{}M", size / 1_000_000, size / 100_000 % 10),
        _ => format!("{sign}{}G", size / 1_000_000_000),
    }
}
