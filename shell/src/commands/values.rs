//! The types of argument values. Each is made by the parser only, so holding one proves its check.

use super::spec::Word;
use crate::fault::Time;
use crate::system::Failure;
use alloc::string::String;
use alloc::vec::{IntoIter, Vec};
use core::fmt;
use shootdown::{CpuId, CpuSet, SpaceId};

/// A canonical virtual address that is a multiple of `ALIGN` bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Address<const ALIGN: u64>(u64);

/// The address of a 4 KiB page.
pub type PageAddress = Address<4096>;
/// The address of a 64-bit word, which lies within one page.
pub type WordAddress = Address<8>;

impl<const ALIGN: u64> Address<ALIGN> {
    /// `address`, if it is canonical (bits 63 to 47 equal) and aligned.
    pub const fn new(address: u64) -> Option<Self> {
        if is_canonical(address) && address.is_multiple_of(ALIGN) {
            Some(Address(address))
        } else {
            None
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<const ALIGN: u64> fmt::Display for Address<ALIGN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Whether bits 63 to 47 of `address` are equal (SDM vol. 1, 3.3.7.1), as four-level paging asks.
pub const fn is_canonical(address: u64) -> bool {
    ((address << 16) as i64 >> 16) as u64 == address
}

/// A set of CPUs as it was typed; what `others` means depends on who acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuSelection {
    /// Every CPU that runs.
    All,
    /// Every CPU that runs but the one that acts.
    Others,
    /// Just these; all ran when the line was parsed, and there is at least one.
    Only(CpuSet),
}

impl CpuSelection {
    /// The CPUs meant, of those `online`, when `me` acts. Empty for `others` on a lone CPU.
    pub fn resolve(self, me: CpuId, online: CpuSet) -> CpuSet {
        match self {
            CpuSelection::All => online,
            CpuSelection::Others => online.without(me),
            CpuSelection::Only(set) => set.and(online),
        }
    }
}

impl fmt::Display for CpuSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CpuSelection::All => f.write_str("all"),
            CpuSelection::Others => f.write_str("others"),
            CpuSelection::Only(set) => set.fmt(f),
        }
    }
}

/// An argument whose values are the words of a static list.
pub trait Choice: Sized + Copy + 'static {
    /// The words, in the order of the variants.
    const WORDS: &'static [Word];
    /// The value of `word`, if it is one of the list.
    fn from_name(word: &str) -> Option<Self>;
    /// The word of this value.
    fn name(self) -> &'static str;
}

/// Declares a choice: the enum and its words in one place.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[doc = $word_doc:literal])* $variant:ident $word:literal)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[doc = $word_doc])* $variant),* }

        impl Choice for $name {
            const WORDS: &'static [Word] =
                &[$(Word { name: $word, doc: concat!($($word_doc),*).trim_ascii() }),*];
            fn from_name(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }
            fn name(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }
    )*};
}

choices! {
    /// What a mapping allows a program to do.
    Access {
        /// reading only
        ReadOnly "ro"
        /// reading and writing
        ReadWrite "rw"
    }
    /// How far a shootdown reaches: the shell's names for the protocol's operations.
    Extent {
        /// one page
        Page "page"
        /// PAGES pages from ADDRESS
        Range "range"
        /// every non-global translation of the space
        Space "space"
        /// every translation, global ones too
        Global "global"
        /// no translation: the caches are written back (WBINVD)
        Cache "cache"
    }
    /// How the rows of the scoreboard lie in memory.
    Layout {
        /// each target's row starts on its own cache line
        Padded "padded"
        /// rows follow one another, and may share lines
        Unpadded "unpadded"
    }
    /// How an initiator sends to all others.
    Sending {
        /// one ICR write with the all-but-self shorthand where it fits
        Broadcast "broadcast"
        /// one ICR write for each target, always
        Selected "selected"
    }
    /// How interrupts are sent.
    TransportName {
        /// the local APIC's registers in memory
        Xapic "xapic"
        /// the local APIC's registers as MSRs
        X2apic "x2apic"
        /// KVM's hypercall
        Kvm "kvm"
    }
    /// What the watchdog does about a wait that lasts too long, once it has explained it.
    WatchdogAction {
        /// nothing: the wait goes on, and is told of again
        Report "report"
        /// the IPI is sent again; if that does not help, the wait is given up
        Resend "resend"
        /// the wait is given up: the shootdown is abandoned, its frames stay out of use
        GiveUp "give-up"
        /// the machine is ended, with a status of its own
        Stop "stop"
    }
    /// How `crash` ends the kernel.
    CrashKind {
        /// a panic, as a broken rule of the kernel's causes
        Panic "panic"
        /// a page fault: NULL is read
        Null "null"
        /// an undefined instruction
        Undefined "undefined"
        /// a stack that runs into its guard page: a double fault
        Stack "stack"
        /// a triple fault, which resets the machine without a word
        Reset "reset"
        /// a loop with interrupts off, which nothing ends
        Hang "hang"
        /// a lock that its holder takes again, with interrupts off
        Lock "lock"
    }
    /// What `space` does.
    SpaceAction {
        /// lists the spaces
        List "list"
        /// makes an empty one and uses it from now on
        New "new"
        /// uses ID from now on
        Use "use"
        /// destroys ID, shooting its translations down first
        Drop "drop"
    }
    /// What `trace` does.
    TraceAction {
        /// draws the last shootdowns, one or N
        Last "last"
        /// has every CPU record what it does
        On "on"
        /// has no CPU record any more
        Off "off"
        /// forgets what was recorded
        Clear "clear"
        /// lists the last N records
        Raw "raw"
        /// shows how much is recorded
        Status "status"
    }
    /// What `witness` does.
    WitnessAction {
        /// shows what was seen, after a last look
        Status "status"
        /// starts them
        Start "start"
        /// ends them, after a last look
        Stop "stop"
    }
}

/// A checked value, before it takes the type of its field.
#[derive(Clone, PartialEq, Debug)]
pub enum Bound {
    /// A number, a page count or an address.
    Number(u64),
    /// A CPU.
    Cpu(CpuId),
    /// A set of CPUs.
    Cpus(CpuSelection),
    /// An address space.
    Space(SpaceId),
    /// A length of time.
    Time(Time),
    /// A word of the choice's list.
    Choice(&'static str),
    /// A name or text.
    Text(String),
    /// A flag that was given.
    Flag,
    /// The values of a repeated argument.
    Many(Vec<Bound>),
}

/// A type that a field of [`args`](super::args) may have.
pub trait FromBound: Sized {
    /// The value as this type; `None` if table and field disagree.
    fn from_bound(bound: Bound) -> Option<Self>;
    /// The value when the argument was not given and has no default; `None` if one is needed.
    fn absent() -> Option<Self> {
        None
    }
}

/// Implements [`FromBound`] by one pattern.
macro_rules! from_bound {
    ($($type:ty: $pattern:pat => $value:expr;)*) => {$(
        impl FromBound for $type {
            fn from_bound(bound: Bound) -> Option<Self> {
                match bound { $pattern => $value, _ => None }
            }
        }
    )*};
}

from_bound! {
    u64: Bound::Number(number) => Some(number);
    CpuId: Bound::Cpu(cpu) => Some(cpu);
    CpuSelection: Bound::Cpus(cpus) => Some(cpus);
    SpaceId: Bound::Space(space) => Some(space);
    Time: Bound::Time(time) => Some(time);
    String: Bound::Text(text) => Some(text);
}

impl<const ALIGN: u64> FromBound for Address<ALIGN> {
    fn from_bound(bound: Bound) -> Option<Self> {
        u64::from_bound(bound).and_then(Address::new)
    }
}

impl FromBound for bool {
    fn from_bound(bound: Bound) -> Option<Self> {
        (bound == Bound::Flag).then_some(true)
    }
    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl<T: FromBound> FromBound for Option<T> {
    fn from_bound(bound: Bound) -> Option<Self> {
        T::from_bound(bound).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromBound> FromBound for Vec<T> {
    fn from_bound(bound: Bound) -> Option<Self> {
        match bound {
            Bound::Many(values) => values.into_iter().map(T::from_bound).collect(),
            _ => None,
        }
    }
    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

/// Lets each choice be a field's type.
macro_rules! choice_fields {
    ($($name:ty),*) => {$(
        impl FromBound for $name {
            fn from_bound(bound: Bound) -> Option<Self> {
                match bound { Bound::Choice(word) => Self::from_name(word), _ => None }
            }
        }
    )*};
}

choice_fields!(
    Access,
    CrashKind,
    Extent,
    Layout,
    Sending,
    SpaceAction,
    TraceAction,
    TransportName,
    WitnessAction,
    WatchdogAction
);

/// The values of a line, one for each argument of its command, in the table's order.
pub struct Values(IntoIter<Option<Bound>>);

impl Values {
    /// `values` in the order of the command's arguments.
    pub fn new(values: Vec<Option<Bound>>) -> Self {
        Values(values.into_iter())
    }

    /// The next argument's value as its field's type.
    ///
    /// # Errors
    /// A [`Failure`] that blames the table, if kind and field disagree: a test tries every argument.
    pub fn take<T: FromBound>(&mut self, field: &str) -> Result<T, Failure> {
        match self.0.next().flatten() {
            Some(bound) => T::from_bound(bound),
            None => T::absent(),
        }
        .ok_or_else(|| Failure::new(format_args!("the command table is wrong about `{field}`")))
    }
}
