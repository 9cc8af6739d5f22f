//! The fault language: what is to go wrong, where, on which CPUs, and how often.
//!
//! A fault is one line, in the spirit of FreeBSD's fail(9):
//!
//! ```text
//! fault POINT ACTION [TIME] [to CPU] [cpu CPU-SET] [peer CPU-SET] [N*] [P%] [after K]
//! ```
//!
//! It fires when a CPU of `cpu` passes POINT on account of a CPU of `peer`, in P of 100 cases, not
//! before it has passed K times, and N times in all. What it does then is an entry of the table
//! [`Action::ALL`]. The line in which a fault is shown ([`Fault`]'s `Display`) is the line that
//! arms it.

mod actions;
mod subject;
mod time;

#[cfg(test)]
mod tests;

pub use actions::{Action, Operand};
pub use subject::Subject;
pub(crate) use subject::doc as point_doc;
pub use time::Time;

use crate::commands::{Choice, CpuSelection, args};
use crate::suggest::nearest;
use crate::system::Failure;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use shootdown::{CpuId, CpuSet, Point};

/// One thing that is to go wrong. Made by [`Fault::new`] only, so holding one proves that its
/// action has what it needs and makes sense at its point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where.
    pub point: Point,
    /// What.
    pub action: Action,
    /// How long, where the action takes a time; else no time.
    pub time: Time,
    /// The other CPU, where the action takes one.
    pub to: Option<CpuId>,
    /// The CPUs on which it fires; `None` for all.
    pub cpus: Option<CpuSet>,
    /// The CPUs at the other end of the shootdown for which it fires; `None` for all. Seen from an
    /// initiator those are targets, seen from a target initiators.
    pub peers: Option<CpuSet>,
    /// How often it fires at most; `None` for ever.
    pub times: Option<u64>,
    /// In how many of 100 cases, 1 to 100.
    pub percent: u8,
    /// How many cases pass before the first.
    pub after: u64,
}

impl Fault {
    /// The fault that a line asks for at `point`. `resolve` turns a selection into CPUs.
    ///
    /// # Errors
    /// The action is missing or not one of the point's; a time or a CPU is missing or too much.
    pub fn new(
        point: Point,
        args: &args::Fault,
        resolve: impl Fn(CpuSelection) -> CpuSet,
    ) -> Result<Fault, Failure> {
        let word = args.action.as_deref().ok_or_else(|| {
            Failure::new(format_args!("what is to go wrong at {point} is missing"))
                .expected(offer(point))
        })?;
        let action = Action::at(point, word).ok_or_else(|| unknown(point, word))?;
        check_operands(point, action, args)?;
        Ok(Fault {
            point,
            action,
            time: args.time.unwrap_or_default(),
            to: args.to,
            cpus: args.cpu.map(&resolve),
            peers: args.peer.map(&resolve),
            times: args.times,
            percent: args.percent as u8,
            after: args.after,
        })
    }
}

impl args::Fault {
    /// Checks that the line says nothing beside its subject.
    ///
    /// # Errors
    /// What it says too much.
    pub fn only_subject(&self) -> Result<(), Failure> {
        self.only_subject_and_action()?;
        match &self.action {
            Some(action) => Err(self.too_much(action)),
            None => Ok(()),
        }
    }

    /// Checks that the line says nothing beside its subject and the word after it.
    ///
    /// # Errors
    /// What it says too much.
    pub fn only_subject_and_action(&self) -> Result<(), Failure> {
        let surplus = [
            (self.time.is_some(), "TIME"),
            (self.to.is_some(), "to CPU"),
            (self.cpu.is_some(), "cpu CPU-SET"),
            (self.peer.is_some(), "peer CPU-SET"),
            (self.times.is_some(), "N*"),
            (self.percent != 100, "P%"),
            (self.after != 0, "after K"),
        ];
        match surplus.into_iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(self.too_much(name)),
            None => Ok(()),
        }
    }

    fn too_much(&self, word: &str) -> Failure {
        let subject = self.subject.name();
        Failure::new(format_args!("`fault {subject}` takes no `{word}`"))
            .expected("a point first, where something is to go wrong")
    }
}

/// Which actions there are at `point`.
fn offer(point: Point) -> String {
    let names: Vec<&str> = Action::all_at(point).map(Action::name).collect();
    format!("an action at {point}: {}", names.join(", "))
}

fn unknown(point: Point, word: &str) -> Failure {
    let failure = if let Some(elsewhere) = Action::ALL.into_iter().find(|one| one.name() == word) {
        Failure::new(format_args!("`{word}` makes no sense at {point}"))
            .hint(format_args!("it does at {}", elsewhere.points_listed()))
    } else {
        let failure = Failure::new(format_args!("there is no action `{word}`"));
        match nearest(word, Action::all_at(point).map(Action::name)) {
            Some(name) => failure.hint(format_args!("did you mean `{name}`?")),
            None => failure,
        }
    };
    failure.expected(offer(point))
}

/// Whether it is known at `point` whom the shootdown is with.
const fn has_peer(point: Point) -> bool {
    !matches!(
        point,
        Point::Pin
            | Point::Publish
            | Point::Generation
            | Point::LocalInvalidate
            | Point::PteStore
            | Point::Activate
    )
}

fn check_operands(point: Point, action: Action, args: &args::Fault) -> Result<(), Failure> {
    let name = action.name();
    let wanted = action.operand();
    if args.peer.is_some() && !has_peer(point) {
        return Err(Failure::new(format_args!(
            "at {point} nobody is at the other end: `peer` cannot be told"
        )));
    }
    if wanted == Operand::Time && args.time.is_none() {
        return Err(Failure::new(format_args!("`{name}` needs a time"))
            .expected("a time such as `200us` after the action"));
    }
    if wanted == Operand::Cpu && args.to.is_none() {
        return Err(Failure::new(format_args!("`{name}` needs a CPU"))
            .expected("`to CPU` after the action"));
    }
    if let Some(time) = args.time.filter(|_| wanted != Operand::Time) {
        return Err(Failure::new(format_args!("`{name}` takes no time: {time}"))
            .hint("`delay` at the same point is a fault of its own"));
    }
    match args.to.filter(|_| wanted != Operand::Cpu) {
        Some(cpu) => Err(Failure::new(format_args!(
            "`{name}` takes no `to`: CPU {cpu}"
        ))),
        None => Ok(()),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} {}", self.point, self.action.name())?;
        if self.action.operand() == Operand::Time {
            write!(f, " {}", self.time)?;
        }
        if let Some(cpu) = self.to {
            write!(f, " to {cpu}")?;
        }
        if let Some(cpus) = self.cpus {
            write!(f, " cpu {cpus}")?;
        }
        if let Some(peers) = self.peers {
            write!(f, " peer {peers}")?;
        }
        if let Some(times) = self.times {
            write!(f, " {times}*")?;
        }
        if self.percent < 100 {
            write!(f, " {}%", self.percent)?;
        }
        match self.after {
            0 => Ok(()),
            after => write!(f, " after {after}"),
        }
    }
}
