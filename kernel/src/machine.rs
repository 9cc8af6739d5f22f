//! The protocols' machine, for real: [`Kernel`] implements the seam with this kernel's interrupts,
//! threads and TLBs.

use crate::{space, thread};
use core::hint::spin_loop;
use core::marker::PhantomData;
use core::sync::atomic::{
    AtomicBool, AtomicU64, Ordering,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use hw::apic::{self, Vector};
use hw::percpu::{self, Counter};
use hw::{clock, interrupts, sync, tlb};
use shootdown::{
    Abandoned, Atomic, CpuId, CpuSet, Destination, Machine, Mode, Point, Role, SpaceId, Tlb, Value,
    Word,
};

/// The shootdown interrupt: FreeBSD's `IPI_INVLOP`, one vector for all operations.
pub const SHOOTDOWN: Vector = Vector::new(244);
/// Tells a CPU to look at its run queue.
pub const RESCHEDULE: Vector = Vector::new(243);
/// Nothing but an acknowledgement: the floor under every shootdown.
pub const TEST: Vector = Vector::new(242);
/// The local APIC's timer.
pub const TIMER: Vector = Vector::new(0xef);

/// The CPUs that run.
static ONLINE: AtomicU64 = AtomicU64::new(1);
/// How many of them there are besides any one: what a broadcast reaches.
static OTHERS: AtomicU64 = AtomicU64::new(0);
/// Whether a broadcast reaches just the CPUs of [`ONLINE`]: none was left out.
static ALL_STARTED: AtomicBool = AtomicBool::new(false);
/// Whether no other CPU may be waited for: before they have started, and in a panic.
static ALONE: AtomicBool = AtomicBool::new(true);
/// How long a wait may last, in ticks of the time-stamp counter.
static PATIENCE: AtomicU64 = AtomicU64::new(u64::MAX);

/// The CPUs that run.
#[inline(always)]
pub fn online() -> CpuSet {
    CpuSet::from_bits(ONLINE.load(Relaxed))
}

/// Adds a CPU that is ready to answer.
pub fn set_online(cpu: CpuId) {
    ONLINE.fetch_or(CpuSet::only(cpu).bits(), SeqCst);
    OTHERS.fetch_add(1, SeqCst);
}

/// From now on others are waited for; `all` says whether every processor there is has started.
pub fn start_smp(all: bool) {
    ALL_STARTED.store(all, Relaxed);
    ALONE.store(false, Release);
}

/// From now on nobody is waited for: the kernel has panicked.
pub fn stay_alone() {
    ALONE.store(true, Release);
}

/// Sets how long a wait for other CPUs may last before it is given up.
pub fn set_patience_ms(milliseconds: u64) {
    PATIENCE.store(clock::from_us(milliseconds.saturating_mul(1000)), Relaxed);
}

/// Has `cpu` look at its run queue.
pub fn send_reschedule(cpu: CpuId) {
    send_one(cpu, RESCHEDULE);
}

/// Sends `vector` to `cpu`.
///
/// # Panics
/// If the local APIC did not accept it: the previous IPI is stuck, as FreeBSD has it.
#[inline(always)]
pub fn send_one(cpu: CpuId, vector: Vector) {
    percpu::count(Counter::IcrWrites, 1);
    if let Err(error) = apic::send_fixed(hw::ap::apic_id(cpu), vector) {
        stuck(error);
    }
}

/// Sends `vector` to `to`; broadcasts with one ICR write where that reaches just the online CPUs.
#[inline(always)]
pub fn send(to: Destination, vector: Vector) -> u64 {
    match to {
        Destination::AllButSelf if ALL_STARTED.load(Relaxed) => {
            percpu::count(Counter::IcrWrites, 1);
            if let Err(error) = apic::broadcast_others(vector) {
                stuck(error);
            }
            OTHERS.load(Relaxed)
        }
        Destination::AllButSelf => send_each(online().without(percpu::cpu()), vector),
        Destination::Each(cpus) => send_each(cpus, vector),
    }
}

#[inline(always)]
fn send_each(cpus: CpuSet, vector: Vector) -> u64 {
    let mut sent = 0;
    for cpu in cpus {
        send_one(cpu, vector);
        sent += 1;
    }
    sent
}

#[cold]
fn stuck(error: apic::SendError) -> ! {
    panic!("CPU {}: the IPI was not accepted: {error}", percpu::cpu());
}

/// The machine as the protocols see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

/// A shared word: an atomic whose accesses pass the points of its role.
#[repr(transparent)]
pub struct KernelWord<V: Value, R: Role>(V::Atomic, PhantomData<R>);

#[inline(always)]
fn pass(point: Option<Point>) {
    if let Some(point) = point {
        percpu::pass(point);
    }
}

impl<V: Value, R: Role> Word<V> for KernelWord<V, R> {
    #[inline(always)]
    fn load(&self, order: Ordering) -> V {
        let value = self.0.load(order);
        pass(R::loaded(value.bits()));
        value
    }

    #[inline(always)]
    fn store(&self, value: V, order: Ordering) {
        pass(R::stored(value.bits()));
        self.0.store(value, order);
    }

    #[inline(always)]
    fn peek(&self, order: Ordering) -> V {
        self.0.load(order)
    }

    #[inline(always)]
    fn swap(&self, value: V, order: Ordering) -> V {
        pass(R::stored(value.bits()));
        self.0.swap(value, order)
    }

    #[inline(always)]
    fn fetch_or(&self, bits: V, order: Ordering) -> V {
        self.0.fetch_or(bits, order)
    }

    #[inline(always)]
    fn fetch_and(&self, bits: V, order: Ordering) -> V {
        self.0.fetch_and(bits, order)
    }
}

impl Tlb for Kernel {
    #[inline(always)]
    fn mode(&self) -> Mode {
        Mode::Plain
    }

    #[inline(always)]
    fn invlpg(&self, va: u64) {
        tlb::invalidate_page(va);
    }

    fn reload_cr3(&self) {
        tlb::reload_cr3();
    }

    fn flush_global(&self) {
        tlb::flush_global();
    }

    fn flush_caches(&self) {
        tlb::write_back_caches();
    }
}

impl Machine for Kernel {
    type Word<V: Value, R: Role> = KernelWord<V, R>;

    fn word<V: Value, R: Role>(&self, initial: V) -> Self::Word<V, R> {
        KernelWord(V::Atomic::new(initial), PhantomData)
    }

    #[inline(always)]
    fn me(&self) -> CpuId {
        percpu::cpu()
    }

    #[inline(always)]
    fn online(&self) -> CpuSet {
        online()
    }

    #[inline(always)]
    fn alone(&self) -> bool {
        ALONE.load(Acquire)
    }

    #[inline(always)]
    fn active(&self, space: SpaceId) -> CpuSet {
        space::active(space)
    }

    #[inline(always)]
    fn pin(&self) {
        thread::pin();
    }

    #[inline(always)]
    fn unpin(&self) {
        thread::unpin();
    }

    #[inline(always)]
    fn enter_critical(&self) {
        percpu::enter_critical();
    }

    #[inline(always)]
    fn leave_critical(&self) {
        sync::leave_critical();
    }

    #[inline(always)]
    fn interrupts_enabled(&self) -> bool {
        interrupts::are_enabled()
    }

    fn disable_interrupts(&self) {
        interrupts::disable();
    }

    fn enable_interrupts(&self) {
        interrupts::enable();
    }

    #[inline(always)]
    fn fence(&self, order: Ordering) {
        core::sync::atomic::fence(order);
    }

    #[inline(always)]
    fn send(&self, to: Destination) {
        percpu::pass(Point::Send);
        let sent = send(to, SHOOTDOWN);
        percpu::count(Counter::IpisSent, sent);
    }

    #[inline(always)]
    fn spin_until<F: FnMut() -> bool>(&self, mut condition: F) -> Result<(), Abandoned> {
        percpu::pass(Point::Wait);
        if !condition() {
            wait_long(&mut condition)?;
        }
        percpu::pass(Point::Done);
        Ok(())
    }

    #[inline(always)]
    fn point(&self, point: Point) {
        percpu::pass(point);
    }
}

/// Spins until `condition` holds, patience ends, or somebody types Ctrl-C and it has been long.
#[inline]
fn wait_long(condition: &mut impl FnMut() -> bool) -> Result<(), Abandoned> {
    let mut since = None;
    loop {
        // Looking at the clock is rare: it costs more than a turn.
        for turn in 0..256_u64 {
            spin_loop();
            if condition() {
                percpu::count(Counter::Spins, turn + 1);
                return Ok(());
            }
        }
        percpu::count(Counter::Spins, 256);
        let waited = clock::now().saturating_sub(*since.get_or_insert_with(clock::now));
        if too_long(waited) {
            return Err(Abandoned);
        }
    }
}

/// A wait that Ctrl-C may end has lasted this long, in microseconds: no working target needs it.
const INTERRUPTIBLE_US: u64 = 200_000;

#[cold]
fn too_long(waited: u64) -> bool {
    waited > PATIENCE.load(Relaxed)
        || (crate::console::interrupted() && waited > clock::from_us(INTERRUPTIBLE_US))
}
