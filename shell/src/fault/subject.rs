//! What the first word of a `fault` line may be.

use crate::commands::{Bound, Choice, FromBound, Word};
use shootdown::Point;

/// The first word after `fault`: what is to be done with faults, or the point of a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Show what is armed.
    List,
    /// Show what can be.
    Actions,
    /// Disarm.
    Clear,
    /// Show what is armed as a script that arms it.
    Save,
    /// Arm a fault here.
    At(Point),
}

const OTHERS: [(Subject, Word); 4] = [
    (
        Subject::List,
        word("list", "show the faults and how often each fired"),
    ),
    (
        Subject::Actions,
        word("actions", "show what can go wrong, and where"),
    ),
    (
        Subject::Clear,
        word("clear", "disarm a fault, or all, and undo what is pending"),
    ),
    (
        Subject::Save,
        word("save", "show the lines that arm the same faults again"),
    ),
];

const fn word(name: &'static str, doc: &'static str) -> Word {
    Word { name, doc }
}

/// What happens at a point, in a few words.
pub(crate) const fn doc(point: Point) -> &'static str {
    match point {
        Point::Pin => "the initiator is pinned",
        Point::Publish => "the request's first word is written",
        Point::Generation => "the request's generation is written",
        Point::Zero => "a target's slot is cleared",
        Point::Send => "the interrupt is sent",
        Point::LocalInvalidate => "the initiator invalidates",
        Point::Wait => "a wait begins",
        Point::Done => "a wait ends",
        Point::Notice => "the handler finds a request",
        Point::Copy => "the handler reads its first word",
        Point::Acknowledge => "the handler writes the slot",
        Point::Invalidate => "the handler invalidates",
        Point::Return => "the handler has found nothing more",
        Point::PteStore => "page-table entries change",
        Point::Activate => "a CPU enters a space's active set",
    }
}

const fn words() -> [Word; OTHERS.len() + Point::COUNT] {
    let mut words = [const { word("", "") }; OTHERS.len() + Point::COUNT];
    let mut index = 0;
    while index < words.len() {
        words[index] = if index < OTHERS.len() {
            word(OTHERS[index].1.name, OTHERS[index].1.doc)
        } else {
            let point = Point::ALL[index - OTHERS.len()];
            word(point.name(), doc(point))
        };
        index += 1;
    }
    words
}

impl Choice for Subject {
    const WORDS: &'static [Word] = &words();

    fn from_name(name: &str) -> Option<Self> {
        OTHERS
            .iter()
            .find(|(_, word)| word.name == name)
            .map(|(subject, _)| *subject)
            .or_else(|| Point::from_name(name).map(Subject::At))
    }

    fn name(self) -> &'static str {
        match self {
            Subject::At(point) => point.name(),
            _ => OTHERS
                .iter()
                .find(|(subject, _)| *subject == self)
                .map_or("", |(_, word)| word.name),
        }
    }
}

impl FromBound for Subject {
    fn from_bound(bound: Bound) -> Option<Self> {
        match bound {
            Bound::Choice(word) => Subject::from_name(word),
            _ => None,
        }
    }
}
