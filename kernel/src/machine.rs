//! The protocols' machine, for real: [`Kernel`] implements the seam with this kernel's interrupts,
//! threads and TLBs.

use crate::points::{self, pass};
use crate::{faults, ledger, protocols, space, stop, thread, transports, watchdog};
use core::hint::spin_loop;
use core::marker::PhantomData;
use core::sync::atomic::{
    AtomicBool, AtomicU64, Ordering,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use evidence::Kind;
use hw::apic::{self, Vector};
use hw::percpu::{self, Counter};
use hw::{interrupts, sync, tlb};
use shootdown::{
    Abandoned, Atomic, CpuId, CpuSet, Destination, Invpcid, Machine, Mode, Pcid, Point, Request,
    Role, SpaceId, Tlb, Value, Word, perform,
};

mod ring;

/// The shootdown interrupt: FreeBSD's `IPI_INVLOP`, one vector for all operations.
pub const SHOOTDOWN: Vector = Vector::new(shootdown::transport::VECTOR);
/// Tells a CPU to look at its run queue.
pub const RESCHEDULE: Vector = Vector::new(243);
/// Nothing but an acknowledgement: the floor under every shootdown.
pub const TEST: Vector = Vector::new(242);
/// The local APIC's timer.
pub const TIMER: Vector = Vector::new(0xef);

/// The CPUs that were started.
static STARTED: AtomicU64 = AtomicU64::new(1);
/// Those of them that run threads: all but those that rest.
static ONLINE: AtomicU64 = AtomicU64::new(1);
/// Those of them that answer interrupts: all but those that a debugger holds.
static ANSWERING: AtomicU64 = AtomicU64::new(1);
/// How many of them there are besides any one: what a broadcast reaches.
static OTHERS: AtomicU64 = AtomicU64::new(0);
/// Whether a broadcast reaches just the CPUs of [`STARTED`]: none was left out.
static ALL_STARTED: AtomicBool = AtomicBool::new(false);
/// Whether it reaches just those of [`ONLINE`]: none rests either.
static BROADCAST: AtomicBool = AtomicBool::new(false);
/// Whether no other CPU may be waited for: before they have started, and in a panic.
static ALONE: AtomicBool = AtomicBool::new(true);

/// The CPUs that run threads.
#[inline(always)]
pub fn online() -> CpuSet {
    CpuSet::from_bits(ONLINE.load(Relaxed))
}

/// The CPUs that were started, those that rest or that a debugger holds included.
pub fn started() -> CpuSet {
    CpuSet::from_bits(STARTED.load(Acquire))
}

/// Adds a CPU that is ready to answer.
pub fn set_online(cpu: CpuId) {
    STARTED.fetch_or(CpuSet::only(cpu).bits(), SeqCst);
    set_online_again(cpu);
}

/// From now on `cpu`, this one, runs threads and answers.
pub fn set_online_again(cpu: CpuId) {
    ANSWERING.fetch_or(CpuSet::only(cpu).bits(), SeqCst);
    ONLINE.fetch_or(CpuSet::only(cpu).bits(), SeqCst);
    OTHERS.fetch_add(1, SeqCst);
    choose_broadcast();
}

/// From now on no new thread and no new shootdown comes to `cpu`, this one.
pub fn set_offline(cpu: CpuId) {
    ONLINE.fetch_and(!CpuSet::only(cpu).bits(), SeqCst);
    ANSWERING.fetch_and(!CpuSet::only(cpu).bits(), SeqCst);
    OTHERS.fetch_sub(1, SeqCst);
    choose_broadcast();
}

fn choose_broadcast() {
    let all = ALL_STARTED.load(SeqCst) && ONLINE.load(SeqCst) == STARTED.load(SeqCst);
    BROADCAST.store(all, SeqCst);
}

/// From now on no new shootdown asks `cpu`, this one: a debugger holds it. Returns whether one could
/// until now.
pub fn answer_no_more(cpu: CpuId) -> bool {
    let bit = CpuSet::only(cpu).bits();
    ANSWERING.fetch_and(!bit, SeqCst) & bit != 0
}

/// Undoes [`answer_no_more`].
pub fn answer_again(cpu: CpuId) {
    ANSWERING.fetch_or(CpuSet::only(cpu).bits(), SeqCst);
}

/// Some CPU is stopped: notes for which it is that a shootdown does not ask them, and returns whom it
/// asks.
#[cold]
fn leave_out_stopped(answering: u64) -> u64 {
    stop::leave_out(started().minus(CpuSet::from_bits(answering)));
    // One that has run on in the meantime may have looked before the note was there: it is asked.
    ANSWERING.load(SeqCst)
}

/// From now on others are waited for; `all` says whether every processor there is has started.
pub fn start_smp(all: bool) {
    ALL_STARTED.store(all, SeqCst);
    choose_broadcast();
    ALONE.store(false, Release);
}

/// From now on nobody is waited for: the kernel has panicked.
pub fn stay_alone() {
    ALONE.store(true, Release);
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
    note_ipi(|| CpuSet::only(cpu), vector, false);
    if let Err(error) = apic::send_fixed(hw::ap::apic_id(cpu), vector) {
        stuck(error);
    }
}

/// Notes that the shootdown interrupt is sent to `cpus`, which [`arrive`] is to bring there.
pub fn note_sent(cpus: CpuSet) {
    note_ipi(|| cpus, SHOOTDOWN, false);
}

/// Has a shootdown interrupt that was noted as sent arrive at `cpu`, which may be this one.
///
/// # Panics
/// As [`send_one`].
pub fn arrive(cpu: CpuId) {
    percpu::count(Counter::IcrWrites, 1);
    if let Err(error) = apic::send_fixed(hw::ap::apic_id(cpu), SHOOTDOWN) {
        stuck(error);
    }
}

/// Sends `vector` to `to` by the transport in use: by the local APIC, or by a hypercall. Returns to how many CPUs.
#[inline(always)]
pub fn send(to: Destination, vector: Vector) -> u64 {
    match transports::by_hypercall() {
        false => send_by_apic(to, vector),
        true => send_by_hypercall(to, vector),
    }
}

#[cold]
fn send_by_hypercall(to: Destination, vector: Vector) -> u64 {
    let others = online().without(percpu::cpu());
    let cpus = match to {
        Destination::AllButSelf => others,
        Destination::Each(cpus) => cpus,
    };
    let left = transports::by_hypercalls(cpus, vector, hw::ap::apic_id, |some| {
        percpu::count(Counter::IcrWrites, 1);
        note_ipi(|| some, vector, some == others);
    });
    // KVM refused: they are noted as sent, and are.
    for cpu in left {
        percpu::count(Counter::IcrWrites, 1);
        if let Err(error) = apic::send_fixed(hw::ap::apic_id(cpu), vector) {
            stuck(error);
        }
    }
    cpus.len() as u64
}

/// Sends `vector` to `to`; broadcasts with one ICR write where that reaches just the online CPUs.
#[inline(always)]
fn send_by_apic(to: Destination, vector: Vector) -> u64 {
    match to {
        Destination::AllButSelf if BROADCAST.load(Relaxed) => {
            percpu::count(Counter::IcrWrites, 1);
            note_ipi(|| online().without(percpu::cpu()), vector, true);
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

/// Records an ICR write that is about to be made. Of rescheduling it does not: that is no part of
/// a shootdown.
#[inline(always)]
fn note_ipi(cpus: impl FnOnce() -> CpuSet, vector: Vector, broadcast: bool) {
    if vector != RESCHEDULE {
        let how = u64::from(vector.number()) | u64::from(broadcast) << 8;
        points::note_with(Kind::Ipi, || (cpus().bits(), how));
    }
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

impl<V: Value, R: Role> KernelWord<V, R> {
    /// Where it is: by which the trace and faults know it again.
    #[inline(always)]
    pub fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Writes the word without passing a point: for a fault's own stores.
    pub fn poke(&self, value: V) {
        self.0.store(value, SeqCst);
    }

    /// Passes the point of a store of `value`. What is to be stored, if anything.
    #[inline(always)]
    fn pass_store(&self, value: V) -> Option<V> {
        match R::stored(value.bits()) {
            Some(point) if percpu::pass(point) => {
                pass::stored(point, self.address(), value.bits(), None).map(V::from_bits)
            }
            _ => Some(value),
        }
    }

    /// Stores `value`, whose point is armed.
    #[cold]
    #[inline(never)]
    fn store_armed(&self, point: Point, value: V, order: Ordering) {
        let make = |bits| self.0.store(V::from_bits(bits), order);
        if let Some(bits) = pass::stored(point, self.address(), value.bits(), Some(&make)) {
            make(bits);
        }
    }
}

impl<V: Value, R: Role> Word<V> for KernelWord<V, R> {
    #[inline(always)]
    fn load(&self, order: Ordering) -> V {
        let value = self.0.load(order);
        if let Some(point) = R::loaded(value.bits()) {
            pass::load(point, self.address(), value.bits());
        }
        value
    }

    #[inline(always)]
    fn store(&self, value: V, order: Ordering) {
        match R::stored(value.bits()) {
            Some(point) if percpu::pass(point) => self.store_armed(point, value, order),
            _ => self.0.store(value, order),
        }
    }

    #[inline(always)]
    fn peek(&self, order: Ordering) -> V {
        self.0.load(order)
    }

    #[inline(always)]
    fn swap(&self, value: V, order: Ordering) -> V {
        match self.pass_store(value) {
            Some(value) => self.0.swap(value, order),
            None => self.0.load(Relaxed),
        }
    }

    #[inline(always)]
    fn fetch_or(&self, bits: V, order: Ordering) -> V {
        match self.pass_store(bits) {
            Some(bits) => self.0.fetch_or(bits, order),
            None => self.0.load(Relaxed),
        }
    }

    #[inline(always)]
    fn fetch_and(&self, bits: V, order: Ordering) -> V {
        self.0.fetch_and(bits, order)
    }

    #[inline(always)]
    fn compare_exchange(&self, current: V, new: V, order: Ordering) -> Result<V, V> {
        match self.pass_store(new) {
            Some(new) => self.0.compare_exchange(current, new, order),
            None => Err(self.0.load(Relaxed)),
        }
    }
}

impl Tlb for Kernel {
    #[inline(always)]
    fn mode(&self) -> Mode {
        tlb::mode()
    }

    #[inline(always)]
    fn invlpg(&self, va: u64) {
        percpu::count(Counter::Invlpgs, 1);
        ledger::invalidating(va);
        tlb::invalidate_page(va);
        points::note_with(Kind::Invlpg, || (va, u64::from(percpu::space())));
    }

    fn reload_cr3(&self) {
        percpu::count(Counter::Flushes, 1);
        match tlb::mode().has_pcid() {
            true => ledger::flushing_of(self.current_space()),
            false => ledger::flushing(),
        }
        tlb::reload_cr3();
        points::note(Kind::LoadCr3, u64::from(percpu::space()), 0);
    }

    fn flush_global(&self) {
        percpu::count(Counter::Flushes, 1);
        ledger::flushing();
        tlb::flush_global();
        points::note(Kind::FlushGlobal, 0, 0);
    }

    #[inline(always)]
    fn current_space(&self) -> SpaceId {
        SpaceId(percpu::space())
    }

    fn pcid(&self, space: SpaceId) -> Pcid {
        match space {
            SpaceId::KERNEL => Pcid::KERNEL,
            space => space::contexts().pcid(space, percpu::cpu()),
        }
    }

    fn forget_contexts(&self, space: SpaceId) {
        space::contexts().forget(space);
    }

    fn invpcid(&self, what: Invpcid, space: SpaceId) {
        let counter = match what {
            Invpcid::Address(..) => Counter::Invlpgs,
            _ => Counter::Flushes,
        };
        percpu::count(counter, 1);
        let (page, kind, pcid) = match what {
            Invpcid::Address(pcid, page) => (page, 0, pcid),
            Invpcid::Context(pcid) => (0, 1, pcid),
            Invpcid::AllWithGlobal => (0, 2, Pcid::KERNEL),
            Invpcid::AllButGlobal => (0, 3, Pcid::KERNEL),
        };
        match what {
            Invpcid::Context(pcid) if pcid.user() != pcid => ledger::flushing_of(space),
            Invpcid::AllWithGlobal | Invpcid::AllButGlobal => ledger::flushing(),
            // A user PCID's translations are those of the tables that the books are about; the kernel's come with them.
            _ => {}
        }
        tlb::invpcid(what);
        points::note(
            Kind::Invpcid,
            points::page_operand(page, kind),
            u64::from(pcid.0) << 32 | u64::from(space.0),
        );
    }

    fn invlpg_user(&self, va: u64) {
        tlb::invalidate_user_page(va);
    }

    fn defer_user_flush(&self) {
        tlb::defer_user_flush();
    }

    fn flush_caches(&self) {
        tlb::write_back_caches();
        points::note(Kind::FlushCaches, 0, 0);
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

    /// Whom a shootdown may ask: asked once for each.
    #[inline(always)]
    fn online(&self) -> CpuSet {
        let mut answering = ANSWERING.load(Relaxed);
        if answering != STARTED.load(Relaxed) {
            answering = leave_out_stopped(answering);
        }
        CpuSet::from_bits(answering)
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
    fn announce(&self, space: SpaceId) -> CpuSet {
        space::announce(space)
    }

    #[inline(always)]
    fn pin(&self) {
        thread::pin();
        let _never_skipped = pass::plain(Point::Pin);
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
        points::note(Kind::InterruptsOff, 0, 0);
    }

    fn enable_interrupts(&self) {
        points::note(Kind::InterruptsOn, 0, 0);
        interrupts::enable();
    }

    #[inline(always)]
    fn fence(&self, order: Ordering) {
        core::sync::atomic::fence(order);
    }

    #[inline(always)]
    fn send(&self, to: Destination) {
        if !pass::send(to) {
            let sent = match protocols::transport() {
                None => send(to, SHOOTDOWN),
                Some(given) => ring::through(given, to),
            };
            percpu::count(Counter::IpisSent, sent);
        }
    }

    fn resend(&self, to: CpuSet) {
        points::note(Kind::Resend, to.bits(), 0);
        if !pass::send(Destination::Each(to)) {
            let sent = send(Destination::Each(to), SHOOTDOWN);
            percpu::count(Counter::IpisSent, sent);
            percpu::count(Counter::Resent, sent);
        }
    }

    #[inline(always)]
    fn spin_until<F: FnMut() -> bool>(&self, mut condition: F) -> Result<(), Abandoned> {
        if !pass::plain(Point::Wait) && !condition() {
            spin(condition, None::<fn()>)?;
        }
        let _never_skipped = pass::plain(Point::Done);
        Ok(())
    }

    #[inline(always)]
    fn spin_resending<F, R>(&self, mut condition: F, resend: R) -> Result<(), Abandoned>
    where
        F: FnMut() -> bool,
        R: FnMut(),
    {
        if !pass::plain(Point::Wait) && !condition() {
            spin(condition, Some(resend))?;
        }
        let _never_skipped = pass::plain(Point::Done);
        Ok(())
    }

    #[inline(always)]
    fn scan<T, F: FnMut() -> Option<T>>(&self, mut find: F) -> Option<T> {
        if let Some(found) = find()
            && !pass::plain(Point::Notice)
        {
            return Some(found);
        }
        let _never_skipped = pass::plain(Point::Return);
        None
    }

    #[inline(always)]
    fn invalidate(&self, request: &Request) {
        self.perform_at(Point::Invalidate, request);
    }

    fn leave_if_lazy(&self) -> bool {
        thread::is_lazy() && space::leave_from_handler()
    }

    #[inline(always)]
    fn invalidate_locally(&self, request: &Request) {
        self.perform_at(Point::LocalInvalidate, request);
    }
}

impl Kernel {
    #[inline(always)]
    fn perform_at(&self, point: Point, request: &Request) {
        if pass::invalidate(point, request, |other| perform(&Kernel, other)) {
            perform(self, request);
        }
    }
}

/// How many turns a wait takes before it counts as long.
const SHORT: u64 = 256;

/// Spins until `condition` holds; a wait that becomes long is the watchdog's.
#[inline]
fn spin<F, R>(mut condition: F, resend: Option<R>) -> Result<(), Abandoned>
where
    F: FnMut() -> bool,
    R: FnMut(),
{
    for turn in 0..SHORT {
        spin_loop();
        if condition() {
            percpu::count(Counter::Spins, turn + 1);
            return Ok(());
        }
    }
    long(condition, resend)
}

/// The rest of a wait that has become long. By value: while it is short, what the closures capture
/// can stay in registers.
#[cold]
#[inline(never)]
fn long<F, R>(mut condition: F, mut resend: Option<R>) -> Result<(), Abandoned>
where
    F: FnMut() -> bool,
    R: FnMut(),
{
    percpu::count(Counter::Spins, SHORT);
    let resend = resend.as_mut().map(|resend| resend as &mut dyn FnMut());
    watchdog::wait(&mut condition, resend).inspect_err(|_| faults::abandoned())
}
