//! A machine for tests: CPUs with one pending interrupt each, and TLBs that forget nothing by
//! themselves.
//!
//! It runs in two ways. In *steps* one thread plays every CPU ([`Model::on`]), and a wait runs the
//! other CPUs' handlers: each run is the same, and a wait that nothing can end is reported as the
//! hang it is. In *threads* every CPU is a host thread that takes interrupts at each operation.

mod machine;
mod tlb;
mod word;

pub use tlb::{PAGES, View, page};

use crate::{
    ActiveSet, Contexts, CpuId, CpuSet, Destination, Mode, Point, Protocol, SpaceId, activate,
};
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::boxed::Box;
use std::sync::{Mutex, OnceLock};
use std::thread_local;
use std::vec::Vec;

/// Spaces 0 (the kernel's) to 3 exist.
pub const SPACES: usize = 4;

thread_local! {
    static ME: Cell<usize> = const { Cell::new(0) };
}

/// Something a test wants to see the order of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Point(Point),
    Pin,
    Unpin,
    EnterCritical,
    LeaveCritical,
    /// A sequentially consistent fence.
    Fence,
    /// A reading of an active set.
    Active,
    /// Generations were cleared.
    Forget,
    Sent(Destination),
}

type Hook = Box<dyn FnOnce() + Send>;

/// One CPU, but for its TLB.
#[derive(Default)]
struct Cpu {
    /// The interrupt request register's bit for the shootdown vector.
    irr: AtomicBool,
    /// Whether interrupts are off.
    masked: AtomicBool,
    /// Whether the test keeps this CPU from taking interrupts.
    held: AtomicBool,
    /// Interrupts for this CPU that are to get lost.
    losses: AtomicU32,
    pinned: AtomicU32,
    critical: AtomicU32,
    taken: AtomicU32,
    served: AtomicU32,
}

/// What the CPUs share. Use it through [`Model`].
pub struct Shared {
    mode: Mode,
    threads: bool,
    cpus: Vec<Cpu>,
    online: AtomicU64,
    alone: AtomicBool,
    impatient: AtomicBool,
    tlbs: Vec<Mutex<tlb::Tlb>>,
    tables: tlb::Tables,
    active: OnceLock<Vec<ActiveSet<Model>>>,
    contexts: OnceLock<Contexts<Model>>,
    protocol: OnceLock<&'static dyn Protocol<Model>>,
    hooks: Mutex<Vec<(CpuId, Point, Hook)>>,
    log: Mutex<Vec<(CpuId, Event)>>,
}

/// The machine, as the CPU sees it that the running thread plays.
#[derive(Clone, Copy)]
pub struct Model(&'static Shared);

pub fn cpu(index: usize) -> CpuId {
    CpuId::new(index).unwrap()
}

pub fn set(cpus: &[usize]) -> CpuSet {
    cpus.iter().map(|&index| cpu(index)).collect()
}

impl Model {
    fn build(cpus: usize, mode: Mode, threads: bool) -> Self {
        let shared = Shared {
            mode,
            threads,
            cpus: (0..cpus).map(|_| Cpu::default()).collect(),
            online: CpuSet::first(cpus).bits().into(),
            alone: false.into(),
            impatient: false.into(),
            tlbs: (0..cpus).map(|_| Mutex::default()).collect(),
            tables: tlb::Tables::new(),
            active: OnceLock::new(),
            contexts: OnceLock::new(),
            protocol: OnceLock::new(),
            hooks: Mutex::default(),
            log: Mutex::default(),
        };
        let model = Model(Box::leak(Box::new(shared)));
        let _ = model
            .0
            .active
            .set((0..SPACES).map(|_| ActiveSet::new(&model)).collect());
        // Few PCIDs, so that they are handed out anew again and again.
        let _ = model.0.contexts.set(Contexts::new(&model, SPACES, cpus, 4));
        model
    }

    /// A machine in plain mode, run in steps, with every CPU in space 1.
    pub fn steps(cpus: usize) -> Self {
        let model = Model::with_mode(cpus, Mode::Plain);
        for index in 0..cpus {
            model.on(index, || model.enter(SpaceId(1)));
        }
        model.clear_log();
        model
    }

    /// A machine run in steps, with every CPU on the kernel's own tables.
    pub fn with_mode(cpus: usize, mode: Mode) -> Self {
        Model::build(cpus, mode, false)
    }

    /// A machine run in threads, with every CPU on the kernel's own tables.
    pub fn threads(cpus: usize, mode: Mode) -> Self {
        Model::build(cpus, mode, true)
    }

    /// Has the interrupt handled by `protocol`, which it returns.
    pub fn run<P: Protocol<Model> + 'static>(self, protocol: P) -> &'static P {
        let protocol: &'static P = Box::leak(Box::new(protocol));
        assert!(
            self.0.protocol.set(protocol).is_ok(),
            "one protocol for each model"
        );
        protocol
    }

    /// Plays CPU `index` for the length of `body`.
    pub fn on<R>(self, index: usize, body: impl FnOnce() -> R) -> R {
        let before = ME.replace(index);
        let result = body();
        ME.set(before);
        result
    }

    fn me(self) -> usize {
        ME.get()
    }

    fn cpu(self) -> &'static Cpu {
        &self.0.cpus[ME.get()]
    }

    /// Takes the interrupt that is pending for this CPU, if it can be taken.
    pub fn poll(self) {
        let cpu = self.cpu();
        while !cpu.masked.load(SeqCst) && !cpu.held.load(SeqCst) && cpu.irr.swap(false, SeqCst) {
            cpu.masked.store(true, SeqCst);
            let protocol = self
                .0
                .protocol
                .get()
                .expect("an interrupt before a protocol");
            let served = protocol.handle(&self);
            cpu.taken.fetch_add(1, SeqCst);
            cpu.served.fetch_add(served, SeqCst);
            cpu.masked.store(false, SeqCst);
        }
    }

    /// In steps: lets the other CPUs take what is pending for them. Whether any did.
    fn run_others(self) -> bool {
        let mut ran = false;
        for index in (0..self.0.cpus.len()).filter(|&index| index != self.me()) {
            let before = self.interrupts_taken(index);
            self.on(index, || self.poll());
            ran |= self.interrupts_taken(index) != before;
        }
        ran
    }

    fn note(self, event: Event) {
        if !self.0.threads {
            self.0.log.lock().unwrap().push((cpu(self.me()), event));
        }
    }

    /// Switches this CPU to `space`, as a kernel would.
    pub fn enter(self, space: SpaceId) {
        let masked = self.cpu().masked.swap(true, SeqCst);
        let from = self.tlb().space;
        activate(&self, self.active_set(from), self.active_set(space), || {
            let contexts = self.0.contexts.get().unwrap();
            let activation = self
                .0
                .mode
                .has_pcid()
                .then(|| contexts.activate(&self, space));
            self.tlb().load_cr3(space, activation);
        });
        self.cpu().masked.store(masked, SeqCst);
    }

    fn active_set(self, space: SpaceId) -> Option<&'static ActiveSet<Model>> {
        // A space that nobody made counts as the kernel's: active everywhere.
        let made = self.0.active.get().unwrap();
        made.get(space.0 as usize)
            .filter(|_| space != SpaceId::KERNEL)
    }

    /// Runs `hook` when CPU `index` next passes `point`.
    pub fn at(self, index: usize, point: Point, hook: impl FnOnce() + Send + 'static) {
        self.0
            .hooks
            .lock()
            .unwrap()
            .push((cpu(index), point, Box::new(hook)));
    }

    fn run_hook(self, point: Point) {
        let mut hooks = self.0.hooks.lock().unwrap();
        let me = cpu(self.me());
        let found = hooks
            .iter()
            .position(|(cpu, at, _)| *cpu == me && *at == point);
        let hook = found.map(|index| hooks.remove(index).2);
        drop(hooks);
        if let Some(hook) = hook {
            hook();
        }
    }

    /// Keeps CPU `index` from taking interrupts, or lets it again.
    pub fn hold(self, index: usize, held: bool) {
        self.0.cpus[index].held.store(held, SeqCst);
    }

    /// Loses the next `count` interrupts for CPU `index`.
    pub fn lose(self, index: usize, count: u32) {
        self.0.cpus[index].losses.store(count, SeqCst);
    }

    /// From now on a wait that nothing can end is given up instead of reported as a hang.
    pub fn set_impatient(self, impatient: bool) {
        self.0.impatient.store(impatient, SeqCst);
    }

    pub fn set_alone(self, alone: bool) {
        self.0.alone.store(alone, SeqCst);
    }

    pub fn set_online(self, cpus: &[usize]) {
        self.0.online.store(set(cpus).bits(), SeqCst);
    }

    pub fn mask(self, masked: bool) {
        self.cpu().masked.store(masked, SeqCst);
    }

    /// How many interrupts CPU `index` has taken.
    pub fn interrupts_taken(self, index: usize) -> u32 {
        self.0.cpus[index].taken.load(SeqCst)
    }

    /// How many requests they served.
    pub fn requests_served(self, index: usize) -> u32 {
        self.0.cpus[index].served.load(SeqCst)
    }

    /// Asserts that CPU `index` is out of everything a shootdown enters.
    pub fn assert_at_rest(self, index: usize) {
        let cpu = &self.0.cpus[index];
        let depths = (
            cpu.pinned.load(SeqCst),
            cpu.critical.load(SeqCst),
            cpu.masked.load(SeqCst),
        );
        assert_eq!(
            depths,
            (0, 0, false),
            "CPU {index}: pinned, critical, masked"
        );
    }

    pub fn clear_log(self) {
        self.0.log.lock().unwrap().clear();
    }

    /// What happened so far, where.
    pub fn log(self) -> Vec<(usize, Event)> {
        let log = self.0.log.lock().unwrap();
        log.iter()
            .map(|&(cpu, event)| (cpu.index(), event))
            .collect()
    }

    /// The points CPU `index` passed so far.
    pub fn points(self, index: usize) -> Vec<Point> {
        let of_cpu = |(cpu, event)| match event {
            Event::Point(point) if cpu == index => Some(point),
            _ => None,
        };
        self.log().into_iter().filter_map(of_cpu).collect()
    }

    /// Where interrupts were sent so far.
    pub fn sent(self) -> Vec<Destination> {
        let sent = |(_, event)| match event {
            Event::Sent(destination) => Some(destination),
            _ => None,
        };
        self.log().into_iter().filter_map(sent).collect()
    }
}
