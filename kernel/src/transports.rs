//! How interrupts are sent: the table of transports, and which is in use.
//!
//! The handler is the same whichever it is. A protocol from outside may have its own: see
//! [`protocols::transport`](crate::protocols::transport).

use crate::boot;
use alloc::format;
use alloc::string::{String, ToString};
use core::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use hw::apic::{Mode, hypercall};
use shell::commands::TransportName as Name;

/// A way to send interrupts.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// What a send takes.
    pub doc: &'static str,
    /// Why this machine does not have it at the moment.
    lacks: fn() -> Option<String>,
}

/// Every transport.
pub const ALL: [Entry; 3] = [
    Entry {
        name: Name::Xapic,
        doc: "two writes to the local APIC's page, with interrupts off",
        lacks: || other_mode(Mode::XApic),
    },
    Entry {
        name: Name::X2apic,
        doc: "a fence and one WRMSR to the local APIC",
        lacks: || other_mode(Mode::X2Apic),
    },
    Entry {
        name: Name::Kvm,
        doc: "one hypercall for up to 128 APIC ids",
        lacks: || match (hw::cpuid::kvm(), hypercall::offered()) {
            (_, true) => None,
            (true, _) => Some("this host's KVM does not offer the hypercall".to_string()),
            (false, _) => Some("KVM does not run this machine".to_string()),
        },
    },
];

/// Whether [`Name::Kvm`] is in use.
static BY_HYPERCALL: AtomicBool = AtomicBool::new(false);

fn other_mode(mode: Mode) -> Option<String> {
    let now = boot::facts().apic;
    (now != mode).then(|| format!("the local APICs were started in {now} mode"))
}

impl Entry {
    /// Why this machine does not have it; `None` if it has.
    pub fn lacks(&self) -> Option<String> {
        (self.lacks)()
    }
}

/// Whether interrupts are sent by hypercall.
#[inline(always)]
pub fn by_hypercall() -> bool {
    BY_HYPERCALL.load(Relaxed)
}

/// Begins with the hypercall where KVM offers it and `wanted` says nothing else. Once the local APICs are on.
pub fn init(wanted: Option<Name>) {
    let kvm = matches!(wanted, None | Some(Name::Kvm)) && hypercall::offered();
    BY_HYPERCALL.store(kvm, SeqCst);
}

/// The one in use.
pub fn in_use() -> Name {
    match (by_hypercall(), boot::facts().apic) {
        (true, _) => Name::Kvm,
        (false, Mode::XApic) => Name::Xapic,
        (false, Mode::X2Apic) => Name::X2apic,
    }
}

/// Why this machine does not have `name`; `None` if it has.
pub fn lacks(name: Name) -> Option<String> {
    let entry = ALL.iter().find(|entry| entry.name == name);
    entry.and_then(Entry::lacks)
}

/// Uses `name` from now on. Interrupts under way arrive all the same.
///
/// # Errors
/// Why this machine does not have it.
pub fn choose(name: Name) -> Result<(), String> {
    if let Some(why) = lacks(name) {
        return Err(why);
    }
    BY_HYPERCALL.store(name == Name::Kvm, SeqCst);
    Ok(())
}
