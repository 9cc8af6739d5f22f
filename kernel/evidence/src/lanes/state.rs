//! What a lane's two leftmost characters show: what its CPU is in the middle of.

use super::label::Row;
use super::{Drawing, Line, Span, Style, TIME, View};
use crate::{Event, Kind};
use alloc::vec::Vec;
use shootdown::Point;

/// What a mark means: its style, its glyphs (drawn, in ASCII), and the legend's words.
struct Mark(Style, char, char, &'static str);

static INITIATES: Mark = Mark(Style::Initiator, '│', '|', "initiates");
static WAITS: Mark = Mark(Style::Initiator, '┊', ':', "waits");
static HANDLER: Mark = Mark(Style::Target, '┃', '#', "in its handler");
static MASKED: Mark = Mark(Style::Off, '╳', 'X', "interrupts masked");
static PARKED: Mark = Mark(Style::Fault, '■', 'P', "parked");
static PENDING: Mark = Mark(Style::Arrow, '┆', '!', "interrupt under way");
static STALE: Mark = Mark(Style::Stale, '░', '~', "may use the old translation");

/// The marks, in the order of the legend.
static MARKS: [&Mark; 7] = [
    &INITIATES, &WAITS, &HANDLER, &MASKED, &PARKED, &PENDING, &STALE,
];

#[derive(Clone, Copy, Default)]
struct State {
    initiates: bool,
    waits: bool,
    handlers: u32,
    masked: bool,
    parked: bool,
    pending: bool,
    stale: bool,
}

/// The lanes' states, and which marks were drawn.
pub(super) struct States {
    lanes: Vec<State>,
    /// For each lane the record with which the drawn shootdown's translations are gone there;
    /// `None` if they are none of its, or never go.
    gone: Vec<Option<usize>>,
    holds: Vec<bool>,
    used: core::cell::Cell<u8>,
}

impl States {
    pub fn new(drawing: &Drawing<'_>) -> States {
        let holds = |cpu| {
            drawing.shootdown.is_some_and(|shootdown| {
                shootdown.holders.contains(cpu) && !shootdown.stores.is_empty()
            })
        };
        let gone = |cpu| {
            let shootdown = drawing.shootdown?;
            let store = shootdown.stores.last()?;
            drawing.timeline.forgotten(cpu, *store, &shootdown.request)
        };
        States {
            lanes: alloc::vec![State::default(); drawing.lanes.len()],
            holds: drawing.lanes.iter().map(|&cpu| holds(cpu)).collect(),
            gone: drawing.lanes.iter().map(|&cpu| gone(cpu)).collect(),
            used: core::cell::Cell::new(0),
        }
    }

    /// Takes in what begins with `row`.
    pub fn before(&mut self, drawing: &Drawing<'_>, row: &Row) {
        if let Some(lane) = drawing.lanes.iter().position(|&cpu| cpu == row.cpu) {
            let state = &mut self.lanes[lane];
            for event in &row.events {
                match event {
                    Event::Kind(Kind::Begin) => state.initiates = true,
                    Event::Point(Point::Wait) => state.waits = true,
                    Event::Kind(Kind::Enter) => {
                        state.handlers += 1;
                        state.pending = false;
                    }
                    Event::Kind(Kind::InterruptsOff) => state.masked = true,
                    Event::Kind(Kind::Park) => state.parked = true,
                    _ => {}
                }
            }
        }
        let first = drawing
            .shootdown
            .and_then(|shootdown| shootdown.stores.first());
        for (lane, state) in self.lanes.iter_mut().enumerate() {
            let begun = first.is_some_and(|&first| row.first >= first);
            let over = self.gone[lane].is_some_and(|gone| row.first >= gone);
            state.stale = self.holds[lane] && begun && !over;
        }
    }

    /// Takes in what ends with `row`, and the interrupts that it sends.
    pub fn after(&mut self, drawing: &Drawing<'_>, row: &Row) {
        for (lane, &cpu) in drawing.lanes.iter().enumerate() {
            let state = &mut self.lanes[lane];
            state.pending |= row.sent.contains(cpu);
            if cpu != row.cpu {
                continue;
            }
            for event in &row.events {
                match event {
                    Event::Kind(Kind::End) => state.initiates = false,
                    Event::Point(Point::Done) => state.waits = false,
                    Event::Kind(Kind::Leave) => state.handlers = state.handlers.saturating_sub(1),
                    Event::Kind(Kind::InterruptsOn) => state.masked = false,
                    Event::Kind(Kind::Unpark) => state.parked = false,
                    _ => {}
                }
            }
            state.waits &= state.initiates;
        }
    }

    /// Hands the glyphs of `lane` to `put`, with their columns in it.
    pub fn gutter(&self, lane: usize, ascii: bool, mut put: impl FnMut(usize, Style, char)) {
        let state = self.lanes[lane];
        let doing = match state {
            State { parked: true, .. } => Some(&PARKED),
            State { handlers: 1.., .. } => Some(&HANDLER),
            State { masked: true, .. } => Some(&MASKED),
            State { waits: true, .. } => Some(&WAITS),
            State {
                initiates: true, ..
            } => Some(&INITIATES),
            _ => None,
        };
        let waiting = match state {
            State { pending: true, .. } => Some(&PENDING),
            State { stale: true, .. } => Some(&STALE),
            _ => None,
        };
        for (column, mark) in [doing, waiting].into_iter().enumerate() {
            if let Some(mark) = mark {
                let number = MARKS.iter().position(|other| core::ptr::eq(*other, mark));
                self.used.set(self.used.get() | 1 << number.unwrap_or(7));
                put(column, mark.0, if ascii { mark.2 } else { mark.1 });
            }
        }
    }

    /// What the marks that were drawn mean, in lines of at most the view's width.
    pub fn legend(&self, view: &View) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        let mut length = 0;
        for (number, mark) in MARKS.iter().enumerate() {
            if self.used.get() & 1 << number == 0 {
                continue;
            }
            let wanted = mark.3.len() + 4;
            if lines.is_empty() || length + wanted > view.width.max(40) {
                lines.push(Line::of(Style::Dim, " ".repeat(TIME - 2)));
                length = TIME - 2;
            }
            length += wanted;
            let glyph = if view.ascii { mark.2 } else { mark.1 };
            let spans = [
                (Style::Dim, "  ".into()),
                (mark.0, glyph.into()),
                (Style::Dim, alloc::format!(" {}", mark.3)),
            ];
            let spans = spans.map(|(style, text)| Span { style, text });
            lines.last_mut().expect("one was pushed").0.extend(spans);
        }
        lines
    }
}
