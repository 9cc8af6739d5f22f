//! What the shootdown viewer shows: one kind of document, a *chart*, for a run's evidence, for a
//! counterexample of the explorer, and for whatever a report keeps of either.
//!
//! A chart holds everything that is drawn, worked out: the viewer knows no protocol and derives
//! nothing. It is written as JSON, the fields of [`Chart`] by their names.
//!
//! | part | what it is |
//! |---|---|
//! | [`events`](Chart::events) | what happened, first to last: a column for each property, so that 100,000 stay small |
//! | [`spans`](Chart::spans) | what a CPU was in the middle of, and for how long it might use what was taken away |
//! | [`arrows`](Chart::arrows) | interrupts |
//! | [`shootdowns`](Chart::shootdowns) | shootdowns, by number |
//! | [`start`](Chart::start), [`changes`](Chart::changes) | the [`State`] before the first event, and what each event changes of it |
//! | [`findings`](Chart::findings) | what was found broken |
//!
//! An *event's number* is its index in the columns. A JSON document in which charts stand at any
//! depth can be opened as well: [`find`].
#![forbid(unsafe_code)]

mod build;
mod find;
mod ledger;
mod part;
mod spans;
mod state;
mod words;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use build::{Entry, build, finding, of_evidence};
pub use find::find;
pub use state::{Age, Change, Held, State};
pub use words::operands;

/// What [`Chart::format`] says: the kind of document, and its version.
pub const FORMAT: &str = "shootdown-chart/1";

/// The document.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Chart {
    /// [`FORMAT`].
    pub format: String,
    /// What it is of, in a line.
    pub title: String,
    /// What else there is to say of it, as pairs of a name and a value.
    pub facts: Vec<(String, String)>,
    /// What a tick of the events' times is.
    pub clock: Clock,
    /// The CPUs, each with a lane, in this order.
    pub cpus: Vec<u8>,
    /// The names of events.
    pub names: Vec<String>,
    /// Texts that events share; the first is empty.
    pub texts: Vec<String>,
    /// The events.
    pub events: Events,
    /// What lasts.
    pub spans: Vec<Span>,
    /// Interrupts, in the order in which they were sent.
    pub arrows: Vec<Arrow>,
    /// Shootdowns, in the order in which they began.
    pub shootdowns: Vec<Shootdown>,
    /// The pages that the changes of the state are about.
    pub pages: Vec<Page>,
    /// The state before the first event.
    pub start: State,
    /// For events that change the state: the event's number and the change, in their order.
    pub changes: Vec<(usize, Change)>,
    /// What was found broken.
    pub findings: Vec<Finding>,
}

/// What a tick is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Clock {
    /// `tick` of the time-stamp counter, or `step` of a schedule.
    pub unit: String,
    /// Ticks a millisecond; 0 where that is not known or means nothing.
    pub khz: u64,
}

/// The events' properties, a column each; all columns are as long as there are events.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
pub struct Events {
    /// The CPU's number.
    pub cpu: Vec<u8>,
    /// How many ticks after the event before.
    pub time: Vec<u64>,
    /// Its name: an index in [`Chart::names`].
    pub name: Vec<u16>,
    /// Its operands in words: an index in [`Chart::texts`].
    pub text: Vec<u32>,
    /// The line of the source that did it: an index in [`Chart::texts`].
    pub source: Vec<u32>,
    /// The shootdown that it is part of, or -1.
    pub shootdown: Vec<i32>,
    /// How it is to look: a letter of [`Look`] each.
    pub look: String,
}

/// What an event is, for who gives it a colour and a shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// Of no shootdown: `.`
    Other,
    /// An initiator's doing: `i`
    Initiator,
    /// A target's, in its handler: `t`
    Target,
    /// A page-table entry changes: `p`
    Entry,
    /// An interrupt is sent: `a`
    Interrupt,
    /// A shootdown returns: `g`
    Good,
    /// It is given up: `b`
    Bad,
    /// A fault is injected: `f`
    Fault,
    /// Something that must not be: `s`
    Stale,
    /// A CPU comes to a stand or goes on: `k`
    Stand,
    /// A read through the TLB: `r`
    Read,
    /// Interrupts are masked or unmasked: `o`
    Mask,
}

impl Look {
    /// Its letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Look::Other => '.',
            Look::Initiator => 'i',
            Look::Target => 't',
            Look::Entry => 'p',
            Look::Interrupt => 'a',
            Look::Good => 'g',
            Look::Bad => 'b',
            Look::Fault => 'f',
            Look::Stale => 's',
            Look::Stand => 'k',
            Look::Read => 'r',
            Look::Mask => 'o',
        }
    }
}

/// What a span is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// It initiates a shootdown.
    Initiates,
    /// It waits for targets, or for a lock.
    Waits,
    /// It is in an interrupt handler: interrupts are off.
    Handler,
    /// The protocol masked its interrupts.
    Masked,
    /// It is parked or stopped.
    Stands,
    /// It may use the old translation, and the shootdown has not returned.
    Old,
    /// It may use the old translation, and must not: the stale window.
    Stale,
}

/// Something that lasts.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Span {
    /// What.
    pub of: Of,
    /// Where.
    pub cpu: u8,
    /// The event with which it begins.
    pub from: usize,
    /// The event with which it ends; none if it does not.
    pub to: Option<usize>,
    /// The shootdown's number, if it is of one.
    pub shootdown: Option<usize>,
}

/// An interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Arrow {
    /// The event that sends it.
    pub from: usize,
    /// Where to.
    pub target: u8,
    /// The event that takes it; none if nobody does.
    pub to: Option<usize>,
    /// Whether one that was sent earlier is taken at the same time.
    pub coalesced: bool,
    /// The shootdown's number, if it is of one.
    pub shootdown: Option<usize>,
}

/// A shootdown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Shootdown {
    /// Who asks.
    pub initiator: u8,
    /// Who is asked.
    pub targets: Vec<u8>,
    /// The generation under which, if any.
    pub generation: Option<u32>,
    /// What is asked, in words.
    pub request: String,
    /// `acknowledged`, `abandoned` or `unfinished`.
    pub outcome: String,
    /// The event with which it begins.
    pub begin: usize,
    /// The event with which it ends, if it does.
    pub end: Option<usize>,
}

/// A page.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Page {
    /// Its space's number.
    pub space: u32,
    /// Its address, as people write it.
    pub address: String,
}

/// Something that was found broken.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Finding {
    /// The invariant, 1 to 20; 0 if it is none of them.
    pub invariant: u8,
    /// Its rule.
    pub rule: String,
    /// What was expected and what was seen.
    pub text: String,
    /// The events that show it.
    pub events: Vec<usize>,
}
