//! The CPUs' traces: rings of records that their own CPUs write, without locks, and any CPU reads.
//!
//! A CPU reserves a record by one instruction, so an NMI that records in the middle of another
//! record gets a record of its own. All other interrupts are held back for the few instructions
//! that a record takes: a thread that was preempted in one, and went on when the ring has come
//! round, would write over a later record. The oldest records are overwritten.

use crate::percpu::{self, Local};
#[cfg(target_os = "none")]
use crate::{frames, phys};
use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use shootdown::CpuId;

/// How many records a CPU's ring holds. The lower 16 bits of a position, doubled, are a record's
/// place in the ring.
pub const CAPACITY: u64 = (1 << 16) / STEP;

/// By how much a position grows from record to record.
const STEP: u64 = 16;

/// One record as it lies in memory.
#[repr(C, align(32))]
struct Words {
    /// The time in 56 bits: two years at 1 GHz. The event in the upper 8.
    when: AtomicU64,
    a: AtomicU64,
    b: AtomicU64,
    /// The position at which the record was written: last, so that it vouches for the others.
    position: AtomicU64,
}

/// The position of no record.
const NEVER: u64 = u64::MAX;

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Raw {
    /// How many records of this CPU came before it.
    pub number: u64,
    /// When, in ticks of the time-stamp counter.
    pub tsc: u64,
    /// What happened: a number that the kernel gives meaning.
    pub event: u8,
    /// First operand.
    pub a: u64,
    /// Second operand.
    pub b: u64,
}

/// A CPU's ring.
#[repr(C)]
pub(crate) struct Ring([Words; CAPACITY as usize]);

/// Where CPUs record that have no ring of their own: as a rule none. Nobody reads it. `link.ld` says why it lies apart.
#[cfg_attr(target_os = "none", unsafe(link_section = ".bss.untouched"))]
static NOBODYS: Ring = Ring([const { Words::at(0) }; CAPACITY as usize]);

impl Words {
    const fn at(position: u64) -> Words {
        Words {
            when: AtomicU64::new(0),
            a: AtomicU64::new(0),
            b: AtomicU64::new(0),
            position: AtomicU64::new(position),
        }
    }
}

impl Ring {
    /// What a CPU begins with.
    pub(crate) const fn nobodys() -> AtomicPtr<Ring> {
        AtomicPtr::new((&raw const NOBODYS).cast_mut())
    }
}

/// Gives `cpu` a ring. Once for each CPU; what is recorded there before is lost. Where memory is
/// short it gets none, and what is recorded there is lost.
#[cfg(target_os = "none")]
pub fn init(cpu: CpuId) {
    let pages = CAPACITY * size_of::<Words>() as u64 / phys::PAGE_SIZE;
    let Some(start) = frames::take_stretch(pages) else {
        return;
    };
    let ring: *mut Words = phys::map(start).as_mut_ptr();
    for entry in 0..CAPACITY {
        // SAFETY: the stretch is RAM in the direct map that nobody else will ever be given, large
        // enough for `CAPACITY` entries, and aligned to a page.
        unsafe { ring.add(entry as usize).write(Words::at(NEVER)) };
    }
    percpu::of(cpu).ring.store(ring.cast(), Release);
}

/// Records an event on this CPU. In any context: it may be interrupted by an NMI that records as
/// well. Fifteen instructions, the one that names the event included.
#[inline(always)]
pub fn record(event: u8, a: u64, b: u64) {
    // SAFETY: the CPU's ring is a `Ring` that lives for ever: `CAPACITY` entries of 32 bytes, all
    // of whose words are atomics. The lower 16 bits of a position that grows by STEP are at most
    // (CAPACITY - 1) * STEP, and twice that is the entry's offset. RDTSC is there on every x86-64.
    // The flags are saved and restored.
    unsafe {
        asm!(
            "pushfq",
            "cli",
            "mov {position:e}, {step}",
            "xadd gs:[{position_at}], {position}",
            "movzx {entry:e}, {position:x}",
            "mov {ring}, gs:[{ring_at}]",
            "rdtsc",
            "mov [{ring} + 2*{entry}], eax",
            "mov [{ring} + 2*{entry} + 4], edx",
            "mov byte ptr [{ring} + 2*{entry} + 7], {event}",
            "mov [{ring} + 2*{entry} + 8], {a}",
            "mov [{ring} + 2*{entry} + 16], {b}",
            "mov [{ring} + 2*{entry} + 24], {position}",
            "popfq",
            step = const STEP,
            position_at = const offset_of!(Local, position),
            ring_at = const offset_of!(Local, ring),
            event = in(reg_byte) event, a = in(reg) a, b = in(reg) b,
            position = out(reg) _, entry = out(reg) _, ring = out(reg) _,
            out("eax") _, out("edx") _,
        );
    }
}

/// Record `number`'s entry in the ring of `cpu`, if it has one.
fn entry(cpu: CpuId, number: u64) -> Option<&'static Words> {
    let ring = percpu::of(cpu).ring.load(Acquire);
    if core::ptr::eq(ring, &raw const NOBODYS) {
        return None;
    }
    // SAFETY: every other ring was leaked by `init`, with as many entries.
    let ring = unsafe { &*ring };
    Some(&ring.0[(number % CAPACITY) as usize])
}

/// How many records `cpu` has begun since boot.
pub fn begun(cpu: CpuId) -> u64 {
    percpu::of(cpu).position.load(Acquire) / STEP
}

/// Record `number` of `cpu`; `None` if it is overwritten, not finished, or was never begun.
pub fn read(cpu: CpuId, number: u64) -> Option<Raw> {
    let words = entry(cpu, number)?;
    if words.position.load(Acquire) != number * STEP {
        return None;
    }
    let when = words.when.load(Relaxed);
    let raw = Raw {
        number,
        tsc: when & ((1 << 56) - 1),
        event: (when >> 56) as u8,
        a: words.a.load(Relaxed),
        b: words.b.load(Relaxed),
    };
    core::sync::atomic::fence(Acquire);
    // Whoever overwrites it has begun a record this much later, before it wrote a word.
    (begun(cpu) <= number + CAPACITY).then_some(raw)
}
