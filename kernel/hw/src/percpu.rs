//! The per-CPU area, found through GS.
//!
//! Each CPU reaches its own words by single instructions with a GS override, which a preemption
//! cannot split: no pinning is needed to count, or to ask where one runs. Other CPUs may read any
//! area's words (they are atomics), never write them.

use crate::trace::Ring;
use core::arch::asm;
use core::hint::cold_path;
use core::mem::offset_of;
use core::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use shootdown::{CpuId, MAX_CPUS, Point};
use x86_64::VirtAddr;
use x86_64::registers::model_specific::{GsBase, KernelGsBase};

/// One CPU's area. Its own CPU changes it; the others may look.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Local {
    cpu: AtomicU64,
    /// How many critical sections the running thread is in, and [`NOT_OWED`] unless a preemption
    /// came due inside: 0 just when the last section is left and one is owed.
    preemption: AtomicU32,
    thread: AtomicU64,
    space: AtomicU64,
    /// Where the running thread's kernel stack begins, for entries from ring 3 on a stack of the IST.
    stack_top: AtomicU64,
    /// One register of theirs, for a moment.
    scratch: AtomicU64,
    /// What CR3 holds in the kernel, as it is loaded on the way in from ring 3's own tables.
    kernel_cr3: AtomicU64,
    /// What CR3 holds in ring 3, if that has tables of its own; 0 in the kernel's space.
    user_cr3: AtomicU64,
    /// What of `user_cr3` is loaded on the next way out: all, or all but bit 63.
    user_mask: AtomicU64,
    /// The end of `entry_stack` if ring 3 has tables of its own, else 0: by it the entry code knows.
    entry_top: AtomicU64,
    /// Where entries from ring 3 begin if ring 3 has tables of its own, which show this area but no thread's stack.
    entry_stack: EntryStack,
    /// A bit for each point at which this CPU does more than count, and [`TRACED`].
    armed: AtomicU32,
    /// Nonzero if more is done at armed points than to record them.
    attentive: AtomicU32,
    /// How far this CPU's trace has come, and where it lies; see [`trace`](crate::trace).
    pub(crate) position: AtomicU64,
    pub(crate) ring: AtomicPtr<Ring>,
    points: [AtomicU64; Point::COUNT],
    counters: [AtomicU64; Counter::COUNT],
}

/// As many words as an entry and an exit need, aligned as the CPU aligns a stack.
#[repr(C, align(16))]
#[derive(Debug)]
struct EntryStack([AtomicU64; 16]);

/// The bit of `preemption` that says that nothing is owed.
const NOT_OWED: u32 = 1 << 31;

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
    /// Shootdown interrupts sent again, one for each target; sent ones as well.
    Resent,
    /// INVLPGs of shootdowns.
    Invlpgs,
    /// Flushes of a whole space, or of everything, by shootdowns.
    Flushes,
    /// INVPCIDs of type 0: a page of a PCID. This and the next three count every one that is executed, whatever for.
    Invpcid0,
    /// Type 1: a PCID.
    Invpcid1,
    /// Type 2: all, global translations too.
    Invpcid2,
    /// Type 3: all but global translations.
    Invpcid3,
    /// Switches of spaces whose CR3 write has bit 63 set, so that what the PCID tags is kept.
    Cr3Kept,
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: usize = 19;
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
        (Counter::Resent, "resent"),
        (Counter::Invlpgs, "invlpgs"),
        (Counter::Flushes, "flushes"),
        (Counter::Invpcid0, "invpcid-0"),
        (Counter::Invpcid1, "invpcid-1"),
        (Counter::Invpcid2, "invpcid-2"),
        (Counter::Invpcid3, "invpcid-3"),
        (Counter::Cr3Kept, "cr3-kept"),
    ];
}

// Ring 3's own tables show it too: the entry code needs it before it can load the kernel's.
#[cfg_attr(target_os = "none", unsafe(link_section = ".data.entry"))]
static LOCALS: [Local; MAX_CPUS] = [const {
    Local {
        cpu: AtomicU64::new(0),
        preemption: AtomicU32::new(NOT_OWED),
        thread: AtomicU64::new(0),
        space: AtomicU64::new(0),
        stack_top: AtomicU64::new(0),
        scratch: AtomicU64::new(0),
        kernel_cr3: AtomicU64::new(0),
        user_cr3: AtomicU64::new(0),
        user_mask: AtomicU64::new(u64::MAX),
        entry_top: AtomicU64::new(0),
        entry_stack: EntryStack([const { AtomicU64::new(0) }; 16]),
        armed: AtomicU32::new(0),
        attentive: AtomicU32::new(0),
        position: AtomicU64::new(0),
        ring: Ring::nobodys(),
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

/// Notes where the running thread's kernel stack begins. With interrupts off.
pub(crate) fn set_stack_top(top: u64) {
    write!(stack_top, top);
}

/// Has entries from ring 3 start on this CPU's entry stack, whose end is returned. With interrupts off.
pub(crate) fn isolate() -> u64 {
    let stack = &of(cpu()).entry_stack.0;
    let top = stack.as_ptr_range().end.addr() as u64;
    write!(entry_top, top);
    top
}

/// What CR3 holds in the kernel, and in ring 3 (0 if there is nothing for it), as they are loaded. With interrupts off.
pub(crate) fn roots() -> (u64, u64) {
    (read!(kernel_cr3), read!(user_cr3))
}

/// Whether a flush of the user PCID waits for the way out. With interrupts off.
pub(crate) fn user_flush_deferred() -> bool {
    read!(user_mask) != u64::MAX
}

/// Sets what [`roots`] returns; a flush of the user PCID that was put off is withdrawn. Only together with CR3, with
/// interrupts off.
pub(crate) fn set_roots(kernel: u64, user: u64) {
    write!(kernel_cr3, kernel);
    write!(user_cr3, user);
    write!(user_mask, u64::MAX);
}

/// What of the user tables' CR3 is loaded on the next way out.
pub(crate) fn set_user_mask(mask: u64) {
    write!(user_mask, mask);
}

/// Where `kernel_cr3` lies behind GS, for the entry code.
pub(crate) const KERNEL_CR3: usize = offset_of!(Local, kernel_cr3);
/// Where `user_cr3` lies behind GS, for the entry code.
pub(crate) const USER_CR3: usize = offset_of!(Local, user_cr3);
/// Where `user_mask` lies behind GS, for the entry code.
pub(crate) const USER_MASK: usize = offset_of!(Local, user_mask);
/// Where `entry_top` lies behind GS, for the entry code.
pub(crate) const ENTRY_TOP: usize = offset_of!(Local, entry_top);
/// Where `stack_top` lies behind GS, for the entry code.
pub(crate) const STACK_TOP: usize = offset_of!(Local, stack_top);
/// Where `scratch` lies behind GS, for the entry code.
pub(crate) const SCRATCH: usize = offset_of!(Local, scratch);

/// Enters a critical section on this CPU: the running thread is not preempted until it leaves.
#[inline(always)]
pub fn enter_critical() {
    // SAFETY: one read-modify-write instruction on this CPU's own word. Not `nomem`, so that the
    // compiler keeps what belongs inside the section inside.
    unsafe { asm!("inc dword ptr gs:[{}]", const offset_of!(Local, preemption), options(nostack)) };
}

/// Leaves a critical section; if it was the outermost and a preemption is owed, calls `pay`.
///
/// Between the two an interrupt may pay it, so `pay` looks again with interrupts off.
#[inline(always)]
pub fn leave_critical(pay: fn()) {
    // SAFETY: one read-modify-write instruction on this CPU's own word, and a jump.
    unsafe {
        asm!("dec dword ptr gs:[{}]", "jz {}", const offset_of!(Local, preemption),
            label { pay() }, options(nostack));
    }
}

/// Whether the running thread is in a critical section. With interrupts off.
#[inline(always)]
pub fn in_critical() -> bool {
    of(cpu()).critical_depth() != 0
}

/// Notes (or forgets) that a preemption came due. With interrupts off.
pub fn set_owed(owed: bool) {
    let word = &of(cpu()).preemption;
    let depth = word.load(Relaxed) & !NOT_OWED;
    word.store(if owed { depth } else { depth | NOT_OWED }, Relaxed);
}

/// Whether a preemption is owed on this CPU. With interrupts off.
pub fn owed() -> bool {
    of(cpu()).preemption_owed()
}

/// Adds 1 to the counter of the point whose number is known when this is compiled, and goes to
/// `$armed` if the point is armed.
macro_rules! pass_point {
    ($point:expr, $armed:block) => {
        // SAFETY: one read-modify-write instruction on this CPU's own counter, one that looks at
        // this CPU's own bits, and a jump.
        unsafe {
            asm!("inc qword ptr gs:[{}]", "test dword ptr gs:[{}], {}", "jnz {}",
                const offset_of!(Local, points) + 8 * $point as usize,
                const offset_of!(Local, armed), const 1_u32 << $point as u32,
                label $armed, options(nostack))
        }
    };
}

/// Counts a passage of `point` on this CPU. Returns whether the point is armed there: three
/// instructions where the point is known, of which two ask.
///
/// What it decides is a branch in the caller, not a closure: what a closure captures would be
/// written to memory on the way that is not armed too.
#[inline(always)]
#[must_use]
pub fn pass(point: Point) -> bool {
    /// One arm for each point, since the instructions hold its number.
    macro_rules! arms {
        ($($name:ident)*) => {
            match point {
                $(Point::$name => pass_point!(Point::$name, {
                    cold_path();
                    return true;
                }),)*
            }
        };
    }
    arms!(Pin Publish Generation Zero Send LocalInvalidate Wait Done Notice Copy Acknowledge
        Invalidate Return PteStore Activate);
    false
}

/// In the bits that [`Local::arm`] sets: this CPU records what is not a point.
pub const TRACED: u32 = 1 << 31;

/// Whether this CPU records: two instructions to ask.
#[inline(always)]
#[must_use]
pub fn traced() -> bool {
    // SAFETY: one instruction that looks at this CPU's own bits, and a jump.
    unsafe {
        asm!("test dword ptr gs:[{}], {}", "jnz {}",
            const offset_of!(Local, armed), const TRACED,
            label {
                cold_path();
                return true;
            }, options(nostack, readonly));
    }
    false
}

/// Whether this CPU does more at armed points than to record them.
#[inline(always)]
#[must_use]
pub fn attentive() -> bool {
    // SAFETY: one instruction that looks at this CPU's own word, and a jump.
    unsafe {
        asm!("cmp dword ptr gs:[{}], 0", "jnz {}", const offset_of!(Local, attentive),
            label {
                cold_path();
                return true;
            }, options(nostack, readonly));
    }
    false
}

/// Adds to a counter whose number is known when this is compiled.
macro_rules! add_to {
    ($counter:expr, $amount:expr) => {
        // SAFETY: one read-modify-write instruction on this CPU's own counter.
        unsafe {
            asm!("add qword ptr gs:[{}], {}", const offset_of!(Local, counters) + 8 * $counter as usize,
                in(reg) $amount, options(nostack))
        }
    };
}

/// Adds to a counter of this CPU: one instruction where the counter is known.
#[inline(always)]
pub fn count(counter: Counter, amount: u64) {
    match counter {
        Counter::IpisSent => add_to!(Counter::IpisSent, amount),
        Counter::IpisReceived => add_to!(Counter::IpisReceived, amount),
        Counter::IpisEmpty => add_to!(Counter::IpisEmpty, amount),
        Counter::MostServed => add_to!(Counter::MostServed, amount),
        Counter::IcrWrites => add_to!(Counter::IcrWrites, amount),
        Counter::Ticks => add_to!(Counter::Ticks, amount),
        Counter::Switches => add_to!(Counter::Switches, amount),
        Counter::Spurious => add_to!(Counter::Spurious, amount),
        Counter::Nmis => add_to!(Counter::Nmis, amount),
        Counter::TestIpis => add_to!(Counter::TestIpis, amount),
        Counter::Spins => add_to!(Counter::Spins, amount),
        Counter::Resent => add_to!(Counter::Resent, amount),
        Counter::Invlpgs => add_to!(Counter::Invlpgs, amount),
        Counter::Flushes => add_to!(Counter::Flushes, amount),
        Counter::Invpcid0 => add_to!(Counter::Invpcid0, amount),
        Counter::Invpcid1 => add_to!(Counter::Invpcid1, amount),
        Counter::Invpcid2 => add_to!(Counter::Invpcid2, amount),
        Counter::Invpcid3 => add_to!(Counter::Invpcid3, amount),
        Counter::Cr3Kept => add_to!(Counter::Cr3Kept, amount),
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

    /// Has this CPU do more than count at the points whose bits (`1 << point`) are set, and
    /// record what is not a point if [`TRACED`] is: see [`pass`] and [`traced`]. `attentive` is
    /// what [`attentive`] returns. One caller at a time.
    pub fn arm(&self, bits: u32, attentive: bool) {
        // A CPU that is not attentive records whatever point is armed: so it is attentive for as
        // long as any but a recorded one is.
        if attentive {
            self.attentive.store(1, SeqCst);
        }
        self.armed.store(bits, SeqCst);
        if !attentive {
            self.attentive.store(0, SeqCst);
        }
    }

    /// What a counter stands at.
    pub fn counted(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Relaxed)
    }

    /// Sets a counter to `value` and returns what it stood at. Counts made at this moment on that
    /// CPU may be lost.
    pub fn exchange(&self, counter: Counter, value: u64) -> u64 {
        self.counters[counter as usize].swap(value, Relaxed)
    }

    /// The depth of critical sections of the thread that runs there.
    pub fn critical_depth(&self) -> u32 {
        self.preemption.load(Relaxed) & !NOT_OWED
    }

    /// Whether a preemption is owed there.
    pub fn preemption_owed(&self) -> bool {
        self.preemption.load(Relaxed) & NOT_OWED == 0
    }

    /// The scheduler's word: which thread runs there.
    pub fn running_thread(&self) -> usize {
        self.thread.load(Relaxed) as usize
    }

    /// The address space whose tables it uses.
    pub fn current_space(&self) -> u32 {
        self.space.load(Relaxed) as u32
    }

    /// Whether a flush of its user PCID waits for the way out.
    pub fn user_flush_deferred(&self) -> bool {
        self.user_mask.load(Relaxed) != u64::MAX
    }

    /// What CR3 holds there in the kernel, and in ring 3; the latter is 0 if that has no tables of its own, or no space
    /// is in use.
    pub fn cr3(&self) -> (u64, u64) {
        (
            self.kernel_cr3.load(Relaxed) & !crate::tlb::KEEP,
            self.user_cr3.load(Relaxed) & !crate::tlb::KEEP,
        )
    }

    /// Sets every counter to 0. Counts made at this moment on that CPU may survive.
    pub fn reset(&self) {
        for word in self.points.iter().chain(&self.counters) {
            word.store(0, Relaxed);
        }
    }
}
