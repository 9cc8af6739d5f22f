//! A non-maskable interrupt in the window between acknowledgement and invalidation.
//!
//! An NMI is the one thing that can come in there; it does no harm because it does not touch pages
//! that are being shot down (claim 5, I5). This one does.

use crate::machine::Kernel;
use crate::points;
use crate::violations;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use evidence::Kind;
use hw::{ap, apic, percpu, probe};
use shell::observation::{Invariant, Violation};
use shootdown::{CpuId, MAX_CPUS, Request, perform};

/// What an NMI on each CPU is to read: nothing while it is [`NOTHING`].
static WANTED: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(NOTHING) }; MAX_CPUS];
/// What it read there.
static SEEN: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// No word's address.
const NOTHING: u64 = u64::MAX;
/// How many turns the NMI may take to arrive: it is this CPU's own.
const TURNS: u32 = 1 << 20;

/// Sends this CPU an NMI that reads the first page of `request`, then performs the request. If
/// that changed what the page holds, the NMI has read through a translation that was acknowledged
/// as gone. With interrupts off.
pub fn read_in_window(request: &Request, me: CpuId) {
    let (address, wanted) = (request.start(), &WANTED[me.index()]);
    wanted.store(address, Release);
    if apic::send_nmi(ap::apic_id(me)).is_ok() {
        for _ in 0..TURNS {
            if wanted.load(Acquire) == NOTHING {
                break;
            }
            spin_loop();
        }
    }
    let arrived = wanted.swap(NOTHING, Relaxed) == NOTHING;
    perform(&Kernel, request);
    let seen = SEEN[me.index()].load(Relaxed);
    let fresh = probe::read(address).unwrap_or(NOTHING);
    if arrived && seen != NOTHING && seen != fresh {
        let page = points::page_operand(address, u64::from(request.space_id().0));
        points::note(Kind::Stale, page, seen << 32 | fresh & 0xffff_ffff);
        violations::note(Violation {
            invariant: Invariant::new(5),
            cpu: me,
            what: "stale read by an NMI before the invalidation",
            address: Some(address),
        });
    }
}

/// Reads what this CPU's NMI is to read; returns false if it is to read nothing.
pub fn answer() -> bool {
    let me = percpu::cpu().index();
    let address = WANTED[me].load(Acquire);
    if address == NOTHING {
        return false;
    }
    SEEN[me].store(probe::read(address).unwrap_or(NOTHING), Relaxed);
    WANTED[me].store(NOTHING, Release);
    true
}
