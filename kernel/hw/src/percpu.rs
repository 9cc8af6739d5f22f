//! The per-CPU area, found through GS.
//!
//! Each CPU reaches its own words by single instructions with a GS override, which a preemption
//! cannot split: no pinning is needed to count, or to ask where one runs. Other CPUs may read any
//! area's words (they are atomics), never write them.

use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use shootdown::{CpuId, MAX_CPUS, Point};
use x86_64::VirtAddr;
use x86_64::registers::model_specific::{GsBase, KernelGsBase};

/// One CPU's area. Its own CPU changes it; the others may look.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Local {
    cpu: AtomicU64,
    /// How many critical sections the running thread is in.
    critical: AtomicU32,
    /// Nonzero when a preemption came due inside a critical section.
    owed: AtomicU32,
    thread: AtomicU64,
    space: AtomicU64,
    points: [AtomicU64; Point::COUNT],
    counters: [AtomicU64; Counter::COUNT],
}

/// What a CPU counts besides points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Counter {
    /// Shootdown interrupts that this CPU asked for, one for each target.
    IpisSent,
    /// Shootdown interrupts that were delivered to this CPU.
    IpisReceived,
    /// Of those, how many found nothing to serve: an earlier handler had drained the row.
    IpisEmpty,
    /// The most requests served in one interrupt.
    MostServed,
    /// ICR writes, one for a broadcast.
    IcrWrites,
    /// Timer interrupts.
    Ticks,
    /// Thread switches.
    Switches,
    /// Spurious interrupts of the local APIC.
    Spurious,
    /// NMIs.
    Nmis,
    /// Bare test interrupts delivered.
    TestIpis,
    /// Times round a wait loop whose condition did not hold.
    Spins,
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: usize = 11;
    /// Every counter with the name it is shown under.
    pub const NAMES: [(Counter, &'static str); Counter::COUNT] = [
        (Counter::IpisSent, "ipis-sent"),
        (Counter::IpisReceived, "ipis-received"),
        (Counter::IpisEmpty, "ipis-empty"),
        (Counter::MostServed, "most-served"),
        (Counter::IcrWrites, "icr-writes"),
        (Counter::Ticks, "ticks"),
        (Counter::Switches, "switches"),
        (Counter::Spurious, "spurious"),
        (Counter::Nmis, "nmis"),
        (Counter::TestIpis, "test-ipis"),
        (Counter::Spins, "spins"),
    ];
}

static LOCALS: [Local; MAX_CPUS] = [const {
    Local {
        cpu: AtomicU64::new(0),
        critical: AtomicU32::new(0),
        owed: AtomicU32::new(0),
        thread: AtomicU64::new(0),
        space: AtomicU64::new(0),
        points: [const { AtomicU64::new(0) }; Point::COUNT],
        counters: [const { AtomicU64::new(0) }; Counter::COUNT],
    }
}; MAX_CPUS];

/// The area of `cpu`, for looking at.
pub fn of(cpu: CpuId) -> &'static Local {
    &LOCALS[cpu.index()]
}

/// Makes the area of CPU 0 this CPU's, before anything else runs.
#[cfg(target_os = "none")]
pub(crate) fn install_boot() {
    install(CpuId::BOOT);
}

/// Makes the area of `cpu` this CPU's. Once for each CPU, with interrupts off, before anything
/// here is used on it.
pub(crate) fn install(cpu: CpuId) {
    let local = of(cpu);
    local.cpu.store(cpu.index() as u64, Relaxed);
    GsBase::write(VirtAddr::from_ptr(local));
    KernelGsBase::write(VirtAddr::zero());
}

/// Reads a word of this CPU's area.
macro_rules! read {
    ($field:ident) => {{
        let value: u64;
        // SAFETY: GS points at this CPU's `Local` from `install` on; the load is one instruction
        // inside it, of a word that is only written by single instructions.
        unsafe {
            asm!("mov {}, gs:[{}]", out(reg) value, const offset_of!(Local, $field),
                options(nostack, preserves_flags, readonly));
        }
        value
    }};
}

/// Writes a word of this CPU's area.
macro_rules! write {
    ($field:ident, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: as for `read!`; the store is one instruction inside this CPU's `Local`.
        unsafe {
            asm!("mov gs:[{}], {}", const offset_of!(Local, $field), in(reg) value,
                options(nostack, preserves_flags));
        }
    }};
}

/// The CPU this runs on. Stays true only while the caller cannot be moved.
#[inline(always)]
pub fn cpu() -> CpuId {
    CpuId::new((read!(cpu) as usize) & (MAX_CPUS - 1)).expect("masked")
}

/// The word the scheduler keeps: which thread runs.
#[inline(always)]
pub fn thread() -> usize {
    read!(thread) as usize
}

/// Sets what [`thread`] returns. For the scheduler, with interrupts off.
#[inline(always)]
pub fn set_thread(thread: usize) {
    write!(thread, thread as u64);
}

/// The address space whose tables this CPU uses (FreeBSD's `curpmap`).
#[inline(always)]
pub fn space() -> u32 {
    read!(space) as u32
}

/// Sets what [`space`] returns. Only together with CR3, with interrupts off (I10).
#[inline(always)]
pub fn set_space(space: u32) {
    write!(space, u64::from(space));
}

/// Enters a critical section on this CPU: the running thread is not preempted until it leaves.
#[inline(always)]
pub fn enter_critical() {
    // SAFETY: one read-modify-write instruction on this CPU's own `critical`. Not `nomem`, so that
    // the compiler keeps what belongs inside the section inside.
    unsafe { asm!("inc dword ptr gs:[{}]", const offset_of!(Local, critical), options(nostack)) };
}

/// Leaves a critical section, and says whether it was the outermost with a preemption owed.
///
/// The outcome is only a hint until the caller has acted on it with interrupts off.
#[inline(always)]
#[must_use]
pub fn leave_critical() -> bool {
    let nested: u8;
    let owed: u32;
    // SAFETY: single instructions on this CPU's own words. An interrupt between them may only
    // raise `owed` further or pay it, both of which the caller allows for.
    unsafe {
        asm!("dec dword ptr gs:[{critical}]", "setnz {nested}", "mov {owed:e}, gs:[{debt}]",
            critical = const offset_of!(Local, critical), debt = const offset_of!(Local, owed),
            nested = out(reg_byte) nested, owed = out(reg) owed, options(nostack));
    }
    nested == 0 && owed != 0
}

/// Whether the running thread is in a critical section.
#[inline(always)]
pub fn in_critical() -> bool {
    of(cpu()).critical.load(Relaxed) != 0
}

/// Notes (or forgets) that a preemption came due. With interrupts off.
pub fn set_owed(owed: bool) {
    of(cpu()).owed.store(u32::from(owed), Relaxed);
}

/// Whether a preemption is owed on this CPU.
pub fn owed() -> bool {
    of(cpu()).owed.load(Relaxed) != 0
}

/// Counts a passage of `point` on this CPU.
#[inline(always)]
pub fn pass(point: Point) {
    // SAFETY: one read-modify-write instruction on this CPU's own counter; `point as usize` is
    // below `Point::COUNT`.
    unsafe {
        asm!("inc qword ptr gs:[{} * 8 + {}]", in(reg) point as usize, const offset_of!(Local, points),
            options(nostack));
    }
}

/// Adds to a counter of this CPU.
#[inline(always)]
pub fn count(counter: Counter, amount: u64) {
    // SAFETY: one read-modify-write instruction on this CPU's own counter; the index is in range.
    unsafe {
        asm!("add qword ptr gs:[{} * 8 + {}], {}", in(reg) counter as usize,
            const offset_of!(Local, counters), in(reg) amount, options(nostack));
    }
}

/// Raises a counter of this CPU to `value` if that is more. With interrupts off.
pub fn raise(counter: Counter, value: u64) {
    of(cpu()).counters[counter as usize].fetch_max(value, Relaxed);
}

impl Local {
    /// How often this CPU passed `point`.
    pub fn passed(&self, point: Point) -> u64 {
        self.points[point as usize].load(Relaxed)
    }

    /// What a counter stands at.
    pub fn counted(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Relaxed)
    }

    /// The depth of critical sections of the thread that runs there.
    pub fn critical_depth(&self) -> u32 {
        self.critical.load(Relaxed)
    }

    /// Whether a preemption is owed there.
    pub fn preemption_owed(&self) -> bool {
        self.owed.load(Relaxed) != 0
    }

    /// The scheduler's word: which thread runs there.
    pub fn running_thread(&self) -> usize {
        self.thread.load(Relaxed) as usize
    }

    /// The address space whose tables it uses.
    pub fn current_space(&self) -> u32 {
        self.space.load(Relaxed) as u32
    }

    /// Sets every counter to 0. Counts made at this moment on that CPU may survive.
    pub fn reset(&self) {
        for word in self.points.iter().chain(&self.counters) {
            word.store(0, Relaxed);
        }
    }
}
