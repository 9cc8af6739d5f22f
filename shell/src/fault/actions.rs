//! The table of actions.

use crate::observation::Invariant;
use alloc::string::String;
use alloc::vec::Vec;
use shootdown::Point::{self, *};

/// What an action needs besides its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// Nothing.
    Nothing,
    /// A time.
    Time,
    /// Another CPU.
    Cpu,
}

/// Where the protocol of an invariant is broken, by number; 0 for none.
const fn invariant(number: u8) -> Option<Invariant> {
    Invariant::new(number)
}

/// Declares the actions in one table: the enum, names, points, operands, invariants, meanings.
macro_rules! actions {
    ($($variant:ident $name:literal at [$($point:expr),+] $operand:ident breaks $breaks:literal: $doc:literal)*) => {
        /// What goes wrong. One word may be several actions, at different points.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Action { $(#[doc = $doc] $variant),* }

        impl Action {
            /// Every action; `ALL[action as usize] == action`.
            pub const ALL: [Action; Action::COUNT] = [$(Action::$variant),*];
            /// How many there are.
            pub const COUNT: usize = [$($name),*].len();

            /// The word by which people and files call it.
            pub const fn name(self) -> &'static str {
                match self { $(Action::$variant => $name),* }
            }

            /// The points at which it makes sense.
            pub const fn points(self) -> &'static [Point] {
                match self { $(Action::$variant => &[$($point),+]),* }
            }

            /// What it needs besides.
            pub const fn operand(self) -> Operand {
                match self { $(Action::$variant => Operand::$operand),* }
            }

            /// The invariant that it breaks, if it breaks one by itself.
            pub const fn breaks(self) -> Option<Invariant> {
                match self { $(Action::$variant => invariant($breaks)),* }
            }

            /// What it does, in one sentence without a full stop.
            pub const fn doc(self) -> &'static str {
                match self { $(Action::$variant => $doc),* }
            }
        }
    };
}

actions! {
    Delay "delay" at [Pin, Publish, Generation, Zero, Send, LocalInvalidate, Wait, Done, Notice,
        Copy, Acknowledge, Invalidate, Return, PteStore, Activate] Time breaks 0:
        "the CPU spins for TIME first, interrupts as they are"
    Migrate "migrate" at [Publish, Generation, Zero, Send, Wait] Cpu breaks 19:
        "the thread goes on on another CPU, as if it were neither pinned nor in a critical section"
    LatePublish "late" at [Publish] Time breaks 1:
        "the request's first word is written only TIME after the interrupt was sent"
    SkipGeneration "skip" at [Generation] Nothing breaks 0:
        "the generation is not advanced: the request has the number of the one before"
    Wrap "wrap" at [Generation] Nothing breaks 12:
        "the generation that is published is 0"
    SkipZero "skip" at [Zero] Nothing breaks 11:
        "the slot is not cleared: the target is sent to and waited for, but not asked"
    Transpose "transpose" at [Zero] Nothing breaks 13:
        "the slot with row and column exchanged is cleared instead"
    WrongColumn "wrong-column" at [Zero] Cpu breaks 13:
        "the target's slot in the column of another CPU is cleared instead"
    Drop "drop" at [Send] Nothing breaks 2:
        "the interrupt is not sent, or not to `peer`"
    Hold "hold" at [Send] Nothing breaks 0:
        "the interrupt is sent, and stays on its way to its target, or to `peer`, until `deliver`"
    Duplicate "duplicate" at [Send] Nothing breaks 0:
        "the interrupt is sent twice"
    Misdirect "misdirect" at [Send] Cpu breaks 14:
        "the interrupt goes to another CPU"
    Torn "torn" at [Send] Cpu breaks 14:
        "xAPIC: a send to another CPU comes between the two writes of the command register"
    Reread "reread" at [Send] Nothing breaks 11:
        "the space's active set is read again, and sent to instead of the one whose slots were cleared"
    SkipWait "skip" at [Wait] Nothing breaks 3:
        "the initiator does not wait"
    InterruptsOff "interrupts-off" at [Publish, Send, Wait] Nothing breaks 7:
        "the initiator masks interrupts from here until a wait is over"
    NoDrain "no-drain" at [Notice] Nothing breaks 6:
        "the handler serves one request and leaves, whatever else is pending"
    Overlook "skip" at [Notice] Nothing breaks 6:
        "the handler overlooks the request and leaves"
    AcknowledgeEarly "acknowledge-early" at [Notice] Nothing breaks 4:
        "the handler acknowledges before it has copied the request"
    SkipAcknowledge "skip" at [Acknowledge] Nothing breaks 0:
        "the handler does not acknowledge"
    LateAcknowledge "late" at [Acknowledge] Nothing breaks 0:
        "the handler acknowledges after it has invalidated, not before: slower, and no less safe"
    Twice "twice" at [Acknowledge] Nothing breaks 3:
        "the handler acknowledges once more as it returns, over whatever was asked meanwhile"
    SkipInvalidate "skip" at [Invalidate, LocalInvalidate] Nothing breaks 5:
        "nothing is invalidated"
    Short "short" at [Invalidate, LocalInvalidate] Nothing breaks 17:
        "the last page of the request is left out"
    WrongOperation "wrong-operation" at [Invalidate, LocalInvalidate] Nothing breaks 16:
        "the next lesser operation: space for global, page for range, caches for page or space"
    LateInvalidate "late" at [Invalidate] Time breaks 5:
        "the CPU returns first, and invalidates at its first interrupt after TIME that is no shootdown"
    Nmi "nmi" at [Invalidate] Nothing breaks 5:
        "a non-maskable interrupt between acknowledgement and invalidation reads the page"
    NoEoi "no-eoi" at [Return] Nothing breaks 18:
        "the handler does not signal the end of interrupt"
    SkipActivate "skip" at [Activate] Nothing breaks 8:
        "the CPU uses the space without being in its active set"
    LateActivate "late" at [Activate] Time breaks 8:
        "the CPU enters the active set at its first interrupt after TIME that is no shootdown"
    InterruptsOn "interrupts-on" at [Activate] Time breaks 10:
        "the CPU takes interrupts for TIME in the middle of the switch"
}

impl Action {
    /// The action called `name` at `point`.
    pub fn at(point: Point, name: &str) -> Option<Action> {
        Action::all_at(point).find(|action| action.name() == name)
    }

    /// The actions at `point`, in the table's order.
    pub fn all_at(point: Point) -> impl Iterator<Item = Action> {
        Action::ALL
            .into_iter()
            .filter(move |action| action.points().contains(&point))
    }

    /// The words of all actions, each once.
    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<&str> = Action::ALL.map(Action::name).to_vec();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The points of all actions of this name.
    pub(super) fn points_listed(self) -> String {
        let points: Vec<&str> = Action::ALL
            .into_iter()
            .filter(|other| other.name() == self.name())
            .flat_map(|other| other.points())
            .map(|point| point.name())
            .collect();
        points.join(", ")
    }

    /// The action numbered `number`.
    pub fn from_number(number: u8) -> Option<Action> {
        Action::ALL.get(usize::from(number)).copied()
    }
}
