//! What the first word of a `break` line may be.

use crate::commands::{Bound, Choice, FromBound, Word};
use crate::fault::point_doc;
use shootdown::Point;

/// The first word after `break`: what is to be done with breaks, or the point of a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakSubject {
    /// Show the breaks, and the CPUs that are parked.
    List,
    /// Clear one, or all.
    Clear,
    /// Set one here.
    At(Point),
}

const LIST: Word = Word {
    name: "list",
    doc: "show the breaks, and the CPUs that are parked",
};
const CLEAR: Word = Word {
    name: "clear",
    doc: "clear a break, or all; parked CPUs stay parked",
};

const fn words() -> [Word; 2 + Point::COUNT] {
    let mut words = [LIST; 2 + Point::COUNT];
    words[1] = CLEAR;
    let mut index = 0;
    while index < Point::COUNT {
        let point = Point::ALL[index];
        words[2 + index] = Word {
            name: point.name(),
            doc: point_doc(point),
        };
        index += 1;
    }
    words
}

impl Choice for BreakSubject {
    const WORDS: &'static [Word] = &words();

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "list" => Some(BreakSubject::List),
            "clear" => Some(BreakSubject::Clear),
            _ => Point::from_name(name).map(BreakSubject::At),
        }
    }

    fn name(self) -> &'static str {
        match self {
            BreakSubject::List => LIST.name,
            BreakSubject::Clear => CLEAR.name,
            BreakSubject::At(point) => point.name(),
        }
    }
}

impl FromBound for BreakSubject {
    fn from_bound(bound: Bound) -> Option<Self> {
        match bound {
            Bound::Choice(word) => BreakSubject::from_name(word),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_offered_and_not_understood() {
        for word in BreakSubject::WORDS {
            let subject = BreakSubject::from_name(word.name);
            assert_eq!(subject.map(BreakSubject::name), Some(word.name));
        }
        assert_eq!(BreakSubject::from_name("Zero"), None);
    }
}
