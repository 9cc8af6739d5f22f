//! The table of events.

use shootdown::Point;

/// Declares the kinds of events besides points in one table: enum, order, names.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What can happen besides passing a [`Point`]. Each variant says what its two operands,
        /// `a` and `b`, are. A *page operand* holds a page's address in its upper 52 bits and a
        /// small number in its lower 12.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            /// Every kind; `ALL[kind as usize] == kind`.
            pub const ALL: [Kind; Kind::COUNT] = [$(Kind::$variant),*];
            /// How many kinds there are.
            pub const COUNT: usize = [$($name),*].len();
            const NAMES: [&'static str; Kind::COUNT] = [$($name),*];
        }
    };
}

kinds! {
    /// A shootdown was asked for. `a`: first page, and the operation's number; `b`: exclusive end,
    /// and the space's number.
    Begin = "begin",
    /// Who may hold the translations as a shootdown begins, by the kernel's own books, whatever
    /// the protocol makes of it. `a`: the CPUs on which the space is active; `b`: the online CPUs.
    Holders = "holders",
    /// The shootdown is asked of a stated set of CPUs, not of those that may hold the translations:
    /// those left out keep theirs. `a`: the CPUs asked.
    Asked = "asked",
    /// The shootdown returned to who asked for it. `a`: 0 acknowledged, 1 abandoned; `b`: the
    /// generation, 0 if no other CPU was asked.
    End = "end",
    /// An interrupt handler begins. `a`: the vector; `b`: 1 if it interrupted ring 3.
    Enter = "enter",
    /// An interrupt handler is about to resume what it interrupted. `a`: the vector; `b`: how many
    /// requests it served.
    Leave = "leave",
    /// The interrupt command register was written. `a`: the CPUs that the interrupt goes to; `b`:
    /// the vector, and 256 more for one write to all others.
    Ipi = "ipi",
    /// INVLPG was executed. `a`: the page; `b`: the space in force.
    Invlpg = "invlpg",
    /// CR3 was loaded: all but global translations are gone. `a`: the space then in force. With PCIDs it is that space's
    /// translations which are gone; `b`: 1 if they were kept instead.
    LoadCr3 = "load-cr3",
    /// Every translation of this CPU is gone, global ones too.
    FlushGlobal = "flush-global",
    /// WBINVD was executed.
    FlushCaches = "flush-caches",
    /// The protocol masked interrupts.
    InterruptsOff = "interrupts-off",
    /// The protocol unmasked interrupts.
    InterruptsOn = "interrupts-on",
    /// An armed fault fired. `a`: its number in the list; `b`: its action's number, and the number
    /// of the point it fired at shifted left by 8.
    Fault = "fault",
    /// A read through a translation that should be gone. `a`: the page, and the space's number;
    /// `b`: the tag that was read in the upper half, the one expected in the lower.
    Stale = "stale",
    /// Something else that must never happen. `a`: the invariant's number, 0 if none is known.
    Violation = "violation",
    /// This CPU was parked. `a`: the point's number.
    Park = "park",
    /// It runs on. `a`: the point's number.
    Unpark = "unpark",
    /// The watchdog found this CPU waiting for too long. `a`: the CPUs it waits for; `b`: the
    /// generation it wants.
    Stuck = "stuck",
    /// A lost interrupt was sent again. `a`: the CPUs.
    Resend = "resend",
    /// A non-maskable interrupt was taken. `b`: 1 if it interrupted ring 3.
    Nmi = "nmi",
    /// This CPU was stopped by a debugger.
    Stop = "stop",
    /// It runs on, having flushed everything.
    Resume = "resume",
    /// This CPU switched threads. `a`: the thread now running; `b`: its space, 0 if none.
    Switch = "switch",
    /// The protocol in use changed. `a`: its number in the table of protocols.
    Protocol = "protocol",
    /// Somebody's remark. `a`: a number of the script's.
    Mark = "mark",
    /// A page was read through this CPU's TLB because somebody asked for it. `a`: the page, and the
    /// space's number; `b`: the tag that was read in the upper half, the one that the page table
    /// leads to in the lower, 0 if none. They may differ at any time before the shootdown of the
    /// change between them has returned; afterwards that is [`Stale`](Kind::Stale).
    Read = "read",
    /// INVPCID was executed. `a`: the page, and the type (0 one page, 1 one PCID, 2 everything, 3 everything but global
    /// translations); `b`: the PCID in the upper half, the space it was executed for in the lower. PCIDs from 0x800 on
    /// are those of user tables.
    Invpcid = "invpcid",
}

impl Kind {
    /// The name by which people and files call it.
    pub const fn name(self) -> &'static str {
        Kind::NAMES[self as usize]
    }
}

/// Something that a CPU did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Event {
    /// It passed a point. The operands, where the point's operation has any:
    ///
    /// | point | `a` | `b` |
    /// |---|---|---|
    /// | stores and loads of a word ([`has_word`](Event::has_word)) | in the ring the word's address, in a [`Record`](crate::Record) its [`Place`](crate::Place) | what is stored, or was loaded |
    /// | send | the CPUs sent to | 1 if by one broadcast |
    /// | invalidate, local-invalidate | first page, and the operation's number | exclusive end, and the space's number |
    /// | pte-store | first page, and the change: 0 map, 1 replace, 2 unmap, 3 protect | exclusive end, and the space's number |
    Point(Point),
    /// It did something else.
    Kind(Kind),
}

impl Event {
    /// The number of the first kind; points come before it.
    const KINDS: u8 = 32;

    /// The number by which records tell events apart.
    pub const fn code(self) -> u8 {
        match self {
            Event::Point(point) => point as u8,
            Event::Kind(kind) => Event::KINDS + kind as u8,
        }
    }

    /// The event of that number.
    pub fn from_code(code: u8) -> Option<Event> {
        match code.checked_sub(Event::KINDS) {
            None => Point::ALL.get(usize::from(code)).copied().map(Event::Point),
            Some(kind) => Kind::ALL.get(usize::from(kind)).copied().map(Event::Kind),
        }
    }

    /// Whether the event is a store to, or a load of, one of a protocol's words.
    pub const fn has_word(self) -> bool {
        matches!(
            self,
            Event::Point(
                Point::Publish
                    | Point::Generation
                    | Point::Zero
                    | Point::Copy
                    | Point::Acknowledge
                    | Point::Activate
            )
        )
    }

    /// The name by which people and files call it.
    pub const fn name(self) -> &'static str {
        match self {
            Event::Point(point) => point.name(),
            Event::Kind(kind) => kind.name(),
        }
    }
}

impl From<Point> for Event {
    fn from(point: Point) -> Event {
        Event::Point(point)
    }
}

impl From<Kind> for Event {
    fn from(kind: Kind) -> Event {
        Event::Kind(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn two_events_with_one_number_or_one_name() {
        let events = Point::ALL
            .map(Event::Point)
            .into_iter()
            .chain(Kind::ALL.map(Event::Kind));
        let (mut codes, mut names) = (HashSet::new(), HashSet::new());
        for event in events {
            assert_eq!(Event::from_code(event.code()), Some(event));
            assert!(codes.insert(event.code()) && names.insert(event.name()));
        }
        assert_eq!(Event::from_code(31), None);
        assert_eq!(Event::from_code(255), None);
    }
}
