//! How questions and answers are written: each is a line of JSON.
//!
//! The program is told what to be built for ([`Question::Build`]) and says what it then is ([`Reply::Built`]); after
//! that it is asked what it does ([`Question::Ask`]), and says what it did ([`Reply::Did`]). It says nothing unasked.
//! Whatever it sends is read into these types first, and then held against what there is: see [`crate::Answerer`].

use crate::calls::Call;
use crate::code::{Answer, Declared, Reached, Setup, Source};
use crate::op::{Op, WordId};
use serde::{Deserialize, Serialize};
use shootdown::Abandoned;

/// Changes with the format.
pub const VERSION: u32 = 1;

/// A line has so many bytes at most, its end included.
pub const LONGEST_LINE: usize = 1 << 20;

/// What is asked.
#[derive(Serialize, Deserialize)]
pub enum Question {
    /// Be built for this.
    Build(u32, Setup),
    /// What does it do when it is called for this, and answered so?
    Ask(Call, Vec<u64>),
}

/// What is answered.
#[derive(Serialize, Deserialize)]
pub enum Reply {
    /// It is built, and speaks this version.
    Built(u32, Says),
    /// It cannot be built: its panic's message.
    NotBuilt(String),
    /// It asked these operations, and then that came.
    Did(Vec<Op>, End),
}

/// [`Declared`], written.
#[derive(Serialize, Deserialize)]
pub struct Says {
    /// Each word's first value, and the number of its role in [`ROLES`].
    pub words: Vec<(u64, u8)>,
    /// See [`Declared::heads`].
    pub heads: Vec<Option<WordId>>,
    /// See [`Declared::slots`].
    pub slots: Vec<Option<WordId>>,
    /// See [`Declared::lines`].
    pub lines: Option<Vec<usize>>,
    /// See [`Declared::sends`].
    pub sends: bool,
}

/// [`Reached`], written.
#[derive(Serialize, Deserialize)]
pub enum End {
    /// It asks this next, there.
    Asks(Op, Source),
    /// It has returned.
    Returns,
    /// It has returned, its wait given up.
    GivesUp,
    /// It panicked.
    Panics(String),
}

/// What words are for.
pub const ROLES: [&str; 7] = [
    "Plain",
    "Slot",
    "RequestHead",
    "RequestBody",
    "Generation",
    "Active",
    "PageTableEntry",
];

impl Says {
    pub fn new(declared: &Declared) -> Says {
        let role = |name: &str| ROLES.iter().position(|known| *known == name).unwrap_or(0) as u8;
        let words = declared.words.iter();
        Says {
            words: words.map(|&(value, name)| (value, role(name))).collect(),
            heads: declared.heads.clone(),
            slots: declared.slots.clone(),
            lines: declared.lines.clone(),
            sends: declared.sends,
        }
    }

    /// What is said, if it can be for `setup`.
    pub fn declared(self, setup: &Setup) -> Result<Declared, String> {
        let (cpus, pairs) = (setup.cpus, setup.cpus * setup.cpus);
        // A solution of lab 10 chooses among some hundred places for each CPU's slots.
        let most = 512 * cpus;
        if self.words.len() > most {
            let made = self.words.len();
            return Err(format!("{made} words are made, and {most} are enough"));
        }
        let count = self.words.len();
        let there = |word: &Option<WordId>| word.is_none_or(|word| usize::from(word.0) < count);
        if !self.heads.iter().chain(&self.slots).all(there) {
            return Err(format!("a word's number is not below {count}"));
        }
        let lines = self.lines.as_ref().map_or(pairs, Vec::len);
        if self.heads.len() != cpus || self.slots.len() != pairs || lines != pairs {
            return Err(format!(
                "{cpus} requests and {pairs} slots were to be named"
            ));
        }
        if self.sends && setup.apic.is_none() {
            return Err("it sends by a command register where there is none".into());
        }
        let named = |(value, role): (u64, u8)| Some((value, *ROLES.get(usize::from(role))?));
        let words: Option<Vec<_>> = self.words.into_iter().map(named).collect();
        Ok(Declared {
            words: words.ok_or("a word's role is none that there is")?,
            heads: self.heads,
            slots: self.slots,
            lines: self.lines,
            sends: self.sends,
        })
    }
}

impl Reply {
    pub fn did(answer: Answer) -> Reply {
        let end = match answer.reached {
            Reached::Asks(op, at) => End::Asks(op, at),
            Reached::Over(Ok(())) => End::Returns,
            Reached::Over(Err(Abandoned)) => End::GivesUp,
            Reached::Panicked(message) | Reached::Silent(message) => End::Panics(message),
        };
        Reply::Did(answer.asked, end)
    }
}

/// A message's or a path's characters at most.
const LONGEST_TEXT: usize = 4096;

/// Text that may be shown on a terminal.
pub fn shown(text: &str) -> String {
    let shown = text.chars().take(LONGEST_TEXT);
    let plain = |c: char| if c.is_control() && c != '\n' { '?' } else { c };
    shown.map(plain).collect()
}

impl From<End> for Reached {
    fn from(end: End) -> Reached {
        match end {
            End::Asks(op, at) => Reached::Asks(op, Source::new(&shown(at.file()), at.line())),
            End::Returns => Reached::Over(Ok(())),
            End::GivesUp => Reached::Over(Err(Abandoned)),
            End::Panics(message) => Reached::Panicked(shown(&message)),
        }
    }
}

/// A point, by its number.
pub mod point {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use shootdown::Point;

    pub fn serialize<S: Serializer>(point: &Point, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(*point as u8)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Point, D::Error> {
        find(u8::deserialize(from)?)
    }

    pub(super) fn find<E: Error>(number: u8) -> Result<Point, E> {
        let found = Point::ALL.get(usize::from(number)).copied();
        found.ok_or_else(|| E::custom(format!("there is no point {number}")))
    }
}

/// A point, or none.
pub mod some_point {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use shootdown::Point;

    pub fn serialize<S: Serializer>(point: &Option<Point>, to: S) -> Result<S::Ok, S::Error> {
        point.map(|point| point as u8).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Point>, D::Error> {
        let number = Option::<u8>::deserialize(from)?;
        number.map(super::point::find).transpose()
    }
}

/// CPUs, a bit for each.
pub mod cpus {
    use serde::{Deserialize, Deserializer, Serializer};
    use shootdown::CpuSet;

    pub fn serialize<S: Serializer>(cpus: &CpuSet, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(cpus.bits())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<CpuSet, D::Error> {
        u64::deserialize(from).map(CpuSet::from_bits)
    }
}

/// What address translation uses, by its number.
pub mod mode {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use shootdown::Mode;

    pub fn serialize<S: Serializer>(mode: &Mode, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(*mode as u8)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Mode, D::Error> {
        let number = u8::deserialize(from)?;
        let found = Mode::ALL.get(usize::from(number)).copied();
        found.ok_or_else(|| D::Error::custom(format!("there is no mode {number}")))
    }
}
