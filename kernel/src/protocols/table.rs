//! The table of protocols: what there is to choose from, and how each is built.

use crate::machine::Kernel;
use alloc::boxed::Box;
use hw::paging::MAX_SPACES;
use shootdown::{GlobalLock, Membership, Protocol, Queue, Scoreboard, Settings, Transport};
use spin::Once;

/// A protocol: by what name it is chosen, what sets it apart, and how it is built.
#[derive(Debug)]
pub struct Entry {
    /// The name by which `proto` knows it; its own [`Protocol::name`].
    pub name: &'static str,
    /// What it is, in a phrase.
    pub doc: &'static str,
    /// Whether each pair of CPUs has a slot of its own, 0 while a request is pending.
    pub pairs: bool,
    /// Whether a target acknowledges before it invalidates (claim 5).
    pub early: bool,
    /// Whether every target that is asked is sent an interrupt, and invalidates; else one interrupt
    /// may be for several initiators' requests, and one invalidation too.
    pub one_each: bool,
    /// Whether it has rows that may have cache lines of their own, and so is built twice.
    pub rows: bool,
    build: fn(usize, Settings) -> Box<dyn Protocol<Kernel>>,
    /// How CPUs enter spaces, and who is asked, where it is not the kernel's own way.
    membership: fn() -> Option<Box<dyn Membership<Kernel>>>,
    /// How the shootdown interrupt is sent, where it is not the kernel's own way.
    transport: fn() -> Option<Box<dyn Transport<Kernel>>>,
}

impl Entry {
    /// A protocol from outside the kernel, by the name of `student`. `pairs` and `early` are as in the
    /// fields of those names; `membership` may have a way of its own to enter spaces,
    /// `transport` one to send interrupts.
    pub const fn student(
        pairs: bool,
        early: bool,
        build: fn(usize, Settings) -> Box<dyn Protocol<Kernel>>,
        membership: fn() -> Option<Box<dyn Membership<Kernel>>>,
        transport: fn() -> Option<Box<dyn Transport<Kernel>>>,
    ) -> Entry {
        Entry {
            name: "student",
            doc: "what was handed to this kernel from outside",
            pairs,
            early,
            one_each: true,
            rows: false,
            build,
            membership,
            transport,
        }
    }
}

/// The protocols that a kernel was given from outside.
static GIVEN: Once<&'static [Entry]> = Once::new();

/// Adds protocols to the table. Once, before any is built.
pub fn give(entries: &'static [Entry]) {
    GIVEN.call_once(|| entries);
}

/// Every protocol there is to choose from.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    ENTRIES
        .iter()
        .chain(GIVEN.get().copied().unwrap_or_default())
}

/// The kernel's own protocols; the first is what a machine begins with. A further one needs an entry here and
/// nothing else: commands, completion, benchmarks, storms and places derive from it.
static ENTRIES: [Entry; 4] = [
    Entry {
        name: "scoreboard",
        doc: "FreeBSD's since 2020: parallel, a slot for each pair of CPUs, early acknowledgement",
        pairs: true,
        early: true,
        one_each: true,
        rows: true,
        build: |cpus, settings| Box::new(Scoreboard::new(&Kernel, cpus, settings)),
        membership: || None,
        transport: || None,
    },
    Entry {
        name: "global-lock",
        doc: "what it replaced: one request at a time, under one spin lock",
        pairs: false,
        early: false,
        one_each: true,
        rows: false,
        build: |cpus, settings| Box::new(GlobalLock::new(&Kernel, cpus, settings)),
        membership: || None,
        transport: || None,
    },
    Entry {
        name: "queue",
        doc: "Linux's manner: a queue for each target, an IPI only when it was empty, late \
            acknowledgement",
        pairs: true,
        early: false,
        one_each: false,
        rows: false,
        build: |cpus, settings| Box::new(Queue::new(&Kernel, cpus, MAX_SPACES, settings)),
        membership: || None,
        transport: || None,
    },
    Entry {
        name: "scoreboard-resend",
        doc: "the scoreboard, whose initiator sends the IPI again to targets that are late",
        pairs: true,
        early: true,
        one_each: true,
        rows: true,
        build: |cpus, settings| {
            let resend = true;
            let settings = Settings { resend, ..settings };
            Box::new(Scoreboard::new(&Kernel, cpus, settings))
        },
        membership: || None,
        transport: || None,
    },
];

/// A protocol as it was built.
pub struct Built {
    /// Its entry.
    pub entry: &'static Entry,
    /// Whether its rows have cache lines of their own.
    pub padded: bool,
    /// The protocol.
    pub protocol: &'static dyn Protocol<Kernel>,
    /// Its own way of entering spaces.
    pub membership: Option<&'static dyn Membership<Kernel>>,
    /// Its own way of sending interrupts.
    pub transport: Option<&'static dyn Transport<Kernel>>,
}

/// Builds every protocol for `cpus` CPUs, in each layout it has, in the order of [`entries`].
pub fn build(cpus: usize, settings: Settings) -> impl Iterator<Item = Built> {
    entries().flat_map(move |entry| {
        let layouts: &[bool] = if entry.rows { &[false, true] } else { &[false] };
        layouts.iter().map(move |&padded| {
            let settings = Settings { padded, ..settings };
            let protocol = Box::leak((entry.build)(cpus, settings));
            let own = (entry.membership)();
            let membership = own.map(|own| &*Box::leak(own));
            Built {
                entry,
                padded,
                protocol,
                membership,
                transport: (entry.transport)().map(|own| &*Box::leak(own)),
            }
        })
    })
}
