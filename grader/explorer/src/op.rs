//! What a protocol can ask of the machine, one operation at a time.

use crate::wire;
use core::sync::atomic::Ordering;
use serde::{Deserialize, Serialize};
use shootdown::{CpuSet, Point};

/// A word of the machine's shared memory, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct WordId(pub u16);

/// One operation. Where two CPUs' operations can get between one another, each is one step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Which CPU is this? Answer: its number.
    Me,
    /// Are interrupts enabled? Answer: 0 or 1.
    InterruptsEnabled,
    /// Pinned from here on.
    Pin,
    /// No longer.
    Unpin,
    /// Not preempted from here on.
    EnterCritical,
    /// No longer.
    LeaveCritical,
    /// No interrupts from here on.
    InterruptsOff,
    /// Interrupts from here on.
    InterruptsOn,
    /// A point that no operation on a word stands for.
    Point(#[serde(with = "wire::point")] Point),
    /// A point at which something is done with pages, as a record tells it: its two operands.
    Work(#[serde(with = "wire::point")] Point, u64, u64),
    /// Answer: what the word holds.
    Load {
        /// Which.
        word: WordId,
        /// The point that is passed, decided by what was read: after a 0, and after anything else.
        #[serde(with = "wire::some_point")]
        point: Option<Point>,
    },
    /// Writes a word.
    Store {
        /// Which.
        word: WordId,
        /// What.
        value: u64,
        /// Whether every earlier store must be visible first.
        release: bool,
        /// The point that is passed.
        #[serde(with = "wire::some_point")]
        point: Option<Point>,
    },
    /// A locked read-modify-write. Answer: what stood there.
    Modify {
        /// Which word.
        word: WordId,
        /// What becomes of it.
        change: Change,
        /// The point that is passed.
        #[serde(with = "wire::some_point")]
        point: Option<Point>,
    },
    /// A fence: `Release` and `Acquire` order, `SeqCst` also empties the store buffer.
    Fence(Fence),
    /// Sends the shootdown interrupt.
    Send(#[serde(with = "wire::cpus")] CpuSet),
    /// Writes the upper half of the command register: bits 24 to 31 are the destination.
    IcrHigh(u32),
    /// Writes its lower half, and so sends.
    IcrLow(u32),
    /// Writes all of it by WRMSR, and so sends.
    IcrWide(u64),
    /// Says that a command is stuck: the call ends.
    SaysStuck,
    /// Forgets one page, in the current PCID.
    Invlpg(u8),
    /// Loads CR3 with what it holds: forgets every page of the current PCID.
    ReloadCr3,
    /// Forgets every page, in every PCID.
    FlushGlobal,
    /// Forgets every page that is not global, in every PCID: INVPCID, type 3.
    FlushAllButGlobal,
    /// Loads CR3 with the tables of a space.
    LoadCr3 {
        /// The space's number.
        space: u8,
        /// The PCID of its translations.
        pcid: u8,
        /// Whether those that are there stay: bit 63.
        keep: bool,
    },
    /// Records this space as the current one, which handlers ask for.
    SetCurrent(u8),
    /// Which space is recorded as current? Answer: its number.
    CurrentSpace,
    /// INVPCID, type 0: forgets a page of a PCID.
    InvpcidPage(u16, u8),
    /// INVPCID, type 1: forgets every page of a PCID.
    InvpcidContext(u16),
    /// Forgets one page in the current space's user PCID.
    InvlpgUser(u8),
    /// The next way out to user mode forgets every page of the user PCID.
    DeferUserFlush,
    /// A wait begins: here it is taken up again when its condition did not hold.
    SpinStart,
    /// The condition did not hold. Answers: [`GIVEN_UP`], [`EXPIRED`]; else the wait is taken up again.
    SpinAgain {
        /// Whether the wait helps itself when its patience ends.
        resends: bool,
    },
    /// It has helped itself, and is taken up again.
    SpinResume,
    /// The call is over.
    #[serde(skip)]
    Return,
    /// The call is over, its wait given up.
    #[serde(skip)]
    Abandoned,
    /// The call panicked; the number of the message.
    #[serde(skip)]
    Panicked(u16),
    /// The code does not answer; the number of the reason.
    #[serde(skip)]
    Silent(u16),
}

/// The wait is given up.
pub const GIVEN_UP: u64 = 1;
/// Its patience has ended.
pub const EXPIRED: u64 = 2;

/// What a locked operation does to its word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Change {
    /// Puts this value there.
    Swap(u64),
    /// Sets these bits.
    Or(u64),
    /// Leaves these bits only.
    And(u64),
    /// Puts the second value there if the first stands there.
    Replace(u64, u64),
}

impl Change {
    /// What `before` becomes.
    pub const fn apply(self, before: u64) -> u64 {
        match self {
            Change::Swap(value) => value,
            Change::Or(bits) => before | bits,
            Change::And(bits) => before & bits,
            Change::Replace(current, new) if before == current => new,
            Change::Replace(..) => before,
        }
    }
}

/// The fences that differ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Fence {
    /// Earlier loads before later accesses.
    Acquire,
    /// Earlier accesses before later stores.
    Release,
    /// Everything before everything.
    Full,
}

impl Fence {
    /// The fence that `order` asks for.
    ///
    /// # Panics
    /// At `Relaxed`, which is no fence.
    pub fn of(order: Ordering) -> Fence {
        match order {
            Ordering::Acquire => Fence::Acquire,
            Ordering::Release => Fence::Release,
            Ordering::Relaxed => panic!("fence: Relaxed orders nothing"),
            _ => Fence::Full,
        }
    }
}

impl Op {
    /// Whether every store of this CPU is visible to others afterwards.
    pub const fn serialises(self) -> bool {
        self.invalidates()
            || matches!(
                self,
                Op::Modify { .. }
                    | Op::Fence(Fence::Full)
                    | Op::Send(_)
                    | Op::IcrHigh(_)
                    | Op::IcrLow(_)
            )
    }

    /// Whether the TLB may hold less afterwards.
    pub const fn invalidates(self) -> bool {
        matches!(
            self,
            Op::Invlpg(_)
                | Op::ReloadCr3
                | Op::FlushGlobal
                | Op::FlushAllButGlobal
                | Op::LoadCr3 { .. }
                | Op::InvpcidPage(..)
                | Op::InvpcidContext(_)
                | Op::InvlpgUser(_)
        )
    }

    /// Whether it takes translations away, and leaves those that are global (SDM vol. 3A, 4.10.4.1).
    pub const fn spares_global(self) -> bool {
        matches!(
            self,
            Op::ReloadCr3
                | Op::FlushAllButGlobal
                | Op::LoadCr3 { .. }
                | Op::InvpcidPage(..)
                | Op::InvpcidContext(_)
        )
    }

    /// Whether it may be in the condition of a wait, which looks and changes nothing: so whatever ends a wait is done by
    /// others, and a wait that nobody ends is a hang.
    pub const fn looks(self) -> bool {
        match self {
            Op::Point(point) => !matches!(point, Point::Done),
            Op::Load { .. }
            | Op::Me
            | Op::InterruptsEnabled
            | Op::CurrentSpace
            | Op::Fence(Fence::Acquire) => true,
            _ => false,
        }
    }

    /// Whether no other CPU, and no interrupt, can tell when this happens: such operations are
    /// done together with the step before.
    pub const fn is_local(self) -> bool {
        matches!(
            self,
            Op::Me
                | Op::InterruptsEnabled
                | Op::CurrentSpace
                | Op::Pin
                | Op::Unpin
                | Op::EnterCritical
                | Op::Point(_)
                | Op::Work(..)
                | Op::Fence(Fence::Acquire)
                | Op::SpinStart
        )
    }
}
