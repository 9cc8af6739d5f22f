//! How interrupts are sent: the table of transports, and which is in use.
//!
//! The handler is the same whichever it is. A protocol from outside may have its own: see
//! [`protocols::transport`](crate::protocols::transport).

use crate::boot;
use alloc::format;
use alloc::string::{String, ToString};
use core::sync::atomic::{
    AtomicBool, AtomicI64,
    Ordering::{Relaxed, SeqCst},
};
use hw::apic::hypercall::{self, Call, Refused};
use hw::apic::{Mode, Vector};
use shell::commands::TransportName as Name;
use shootdown::{CpuId, CpuSet};

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
        lacks: || match refusal() {
            Some(refused) => Some(format!(
                "a call {refused}: since then the local APIC sends (`transport kvm` tries again)"
            )),
            None => hypercall::lacks().map(|lack| lack.to_string()),
        },
    },
];

/// Whether [`Name::Kvm`] is in use.
static BY_HYPERCALL: AtomicBool = AtomicBool::new(false);
/// What the call returned that KVM refused last; 0 if it took all.
static REFUSED: AtomicI64 = AtomicI64::new(0);
/// Whether that is still to be told.
static UNTOLD: AtomicBool = AtomicBool::new(false);
/// Whether the next call is to be one that KVM refuses.
static SPOIL: AtomicBool = AtomicBool::new(false);

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
///
/// Returns why it is not in use, where KVM runs this machine and nothing was asked for.
pub fn init(wanted: Option<Name>) -> Option<hypercall::Lack> {
    if !matches!(wanted, None | Some(Name::Kvm)) {
        return None;
    }
    let lack = hypercall::lacks();
    BY_HYPERCALL.store(lack.is_none(), SeqCst);
    lack.filter(|lack| wanted.is_none() && *lack != hypercall::Lack::NoKvm)
}

/// Interrupts `cpus` by hypercall, in as few calls as there can be, each told to `calling` before it is made. Returns
/// those that are still to be interrupted: KVM refused, and the local APIC is the transport from now on.
#[must_use = "who is not interrupted would be waited for"]
pub fn by_hypercalls(
    cpus: CpuSet,
    vector: Vector,
    id: impl Fn(CpuId) -> u32,
    calling: impl Fn(CpuSet),
) -> CpuSet {
    let mut left = cpus;
    for call in hypercall::calls(cpus, vector, id) {
        calling(call.cpus);
        match hypercall::make(spoil(call)) {
            Ok(()) => left = left.minus(call.cpus),
            Err(refused) => refuse(refused),
        }
    }
    left
}

fn spoil(call: Call) -> Call {
    match SPOIL.load(Relaxed) && SPOIL.swap(false, Relaxed) {
        true => call.spoilt(),
        false => call,
    }
}

fn refuse(Refused(error): Refused) {
    REFUSED.store(error, SeqCst);
    UNTOLD.store(true, SeqCst);
    BY_HYPERCALL.store(false, SeqCst);
}

/// What KVM refused the last call with, since [`choose`] took the hypercall.
pub fn refusal() -> Option<Refused> {
    match REFUSED.load(SeqCst) {
        0 => None,
        error => Some(Refused(error)),
    }
}

/// The refusal, if it has not been told.
pub fn untold_refusal() -> Option<Refused> {
    refusal().filter(|_| UNTOLD.swap(false, SeqCst))
}

/// Has KVM refuse the next call: to see that nothing is lost by it.
pub fn spoil_next() {
    SPOIL.store(true, SeqCst);
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
    if name == Name::Kvm {
        REFUSED.store(0, SeqCst);
    }
    if let Some(why) = lacks(name) {
        return Err(why);
    }
    BY_HYPERCALL.store(name == Name::Kvm, SeqCst);
    Ok(())
}
