//! The model as a [`Machine`].

use super::word::ModelWord;
use super::{Event, Model, cpu};
use crate::{
    Abandoned, CpuId, CpuSet, Destination, Invpcid, Machine, Mode, Pcid, Point, Request, Role,
    SpaceId, Tlb, Value, perform,
};
use core::sync::atomic::{self, Ordering, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread waits before it reports a hang.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long before it sends the interrupt again.
const LATE: Duration = Duration::from_millis(20);

impl Machine for Model {
    type Word<V: Value, R: Role> = ModelWord<V, R>;

    fn word<V: Value, R: Role>(&self, initial: V) -> ModelWord<V, R> {
        ModelWord::new(*self, initial)
    }

    fn me(&self) -> CpuId {
        cpu(Model::me(*self))
    }

    fn online(&self) -> CpuSet {
        CpuSet::from_bits(self.0.online.load(SeqCst))
    }

    fn alone(&self) -> bool {
        self.0.alone.load(SeqCst)
    }

    fn active(&self, space: SpaceId) -> CpuSet {
        self.poll();
        self.note(Event::Active);
        self.active_set(space)
            .map_or(self.online(), |active| active.snapshot())
    }

    fn pin(&self) {
        self.poll();
        self.note(Event::Pin);
        self.cpu().pinned.fetch_add(1, SeqCst);
        self.pass(Some(Point::Pin));
    }

    fn unpin(&self) {
        self.note(Event::Unpin);
        let before = self.cpu().pinned.fetch_sub(1, SeqCst);
        assert!(
            before > 0,
            "CPU {}: unpinned more often than pinned",
            Machine::me(self)
        );
    }

    fn enter_critical(&self) {
        self.note(Event::EnterCritical);
        self.cpu().critical.fetch_add(1, SeqCst);
    }

    fn leave_critical(&self) {
        self.note(Event::LeaveCritical);
        let before = self.cpu().critical.fetch_sub(1, SeqCst);
        assert!(
            before > 0,
            "CPU {}: left more critical sections than entered",
            Machine::me(self)
        );
        self.poll();
    }

    fn interrupts_enabled(&self) -> bool {
        !self.cpu().masked.load(SeqCst)
    }

    fn disable_interrupts(&self) {
        self.mask(true);
    }

    fn enable_interrupts(&self) {
        self.mask(false);
        self.poll();
    }

    fn fence(&self, order: Ordering) {
        if order == SeqCst {
            self.note(Event::Fence);
        }
        atomic::fence(order);
        self.poll();
    }

    fn send(&self, to: Destination) {
        self.poll();
        self.pass(Some(Point::Send));
        self.note(Event::Sent(to));
        let targets = match to {
            Destination::AllButSelf => self.online().without(Machine::me(self)),
            Destination::Each(set) => set,
        };
        for target in targets {
            let cpu = &self.0.cpus[target.index()];
            let lost = cpu
                .losses
                .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
                .is_ok();
            if !lost {
                cpu.irr.store(true, SeqCst);
            }
        }
    }

    fn spin_until<F: FnMut() -> bool>(&self, condition: F) -> Result<(), Abandoned> {
        self.spin(condition, None)
    }

    fn spin_resending<F, R>(&self, condition: F, mut resend: R) -> Result<(), Abandoned>
    where
        F: FnMut() -> bool,
        R: FnMut(),
    {
        self.spin(condition, Some(&mut resend))
    }

    fn scan<T, F: FnMut() -> Option<T>>(&self, mut find: F) -> Option<T> {
        self.poll();
        let found = find();
        self.pass(Some(match found {
            Some(_) => Point::Notice,
            None => Point::Return,
        }));
        found
    }

    fn invalidate(&self, request: &Request) {
        self.pass(Some(Point::Invalidate));
        perform(self, request);
    }

    fn invalidate_locally(&self, request: &Request) {
        self.pass(Some(Point::LocalInvalidate));
        perform(self, request);
    }
}

impl Model {
    /// In steps, `resend` comes when nothing else can end the wait, and once.
    fn spin(
        self,
        mut condition: impl FnMut() -> bool,
        mut resend: Option<&mut dyn FnMut()>,
    ) -> Result<(), Abandoned> {
        self.pass(Some(Point::Wait));
        let begun = Instant::now();
        let mut sent_again = begun;
        loop {
            self.poll();
            if condition() {
                self.pass(Some(Point::Done));
                return Ok(());
            }
            let stuck = if self.0.threads {
                thread::yield_now();
                if sent_again.elapsed() > LATE
                    && let Some(resend) = &mut resend
                {
                    sent_again = Instant::now();
                    resend();
                }
                begun.elapsed() > PATIENCE
            } else {
                !self.run_others()
                    && resend.take().is_none_or(|resend| {
                        resend();
                        false
                    })
            };
            if stuck && self.0.impatient.load(SeqCst) {
                return Err(Abandoned);
            }
            assert!(
                !stuck,
                "hang: CPU {} waits for what nothing can bring",
                Machine::me(&self)
            );
        }
    }
}

impl Tlb for Model {
    fn mode(&self) -> Mode {
        self.0.mode
    }

    fn invlpg(&self, va: u64) {
        self.poll();
        self.tlb().invlpg(va);
    }

    fn reload_cr3(&self) {
        self.poll();
        self.tlb().reload_cr3();
    }

    fn flush_global(&self) {
        self.poll();
        self.tlb().flush_global();
    }

    fn flush_caches(&self) {
        self.tlb().cache_flushes += 1;
    }

    fn current_space(&self) -> SpaceId {
        self.tlb().space
    }

    fn pcid(&self, space: SpaceId) -> Pcid {
        self.0
            .contexts
            .get()
            .unwrap()
            .pcid(space, Machine::me(self))
    }

    fn forget_contexts(&self, space: SpaceId) {
        self.note(Event::Forget);
        self.0.contexts.get().unwrap().forget(space);
    }

    fn invpcid(&self, what: Invpcid, _: SpaceId) {
        assert!(
            matches!(self.0.mode, Mode::Invpcid | Mode::InvpcidPti),
            "#UD: no INVPCID"
        );
        self.poll();
        self.tlb().invpcid(what);
    }

    fn invlpg_user(&self, va: u64) {
        self.poll();
        self.tlb().invlpg_user(va);
    }

    fn defer_user_flush(&self) {
        self.tlb().user_flush = true;
    }
}
