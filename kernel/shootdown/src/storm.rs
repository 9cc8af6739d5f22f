//! Every CPU a thread, all of them initiating at once: no read may be stale, no wait endless, and
//! the counts must agree.

use crate::model::{Model, PAGES, SPACES, View, page};
use crate::{
    GlobalLock, Machine, Mode, Protocol, Queue, Request, Scoreboard, Settings, SpaceId, Targets,
};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::thread;

const CPUS: usize = 4;
const STEPS: u32 = 2_000;

/// What the CPUs know of each other's shootdowns.
#[derive(Default)]
struct Ledger {
    /// For each space and page: the entry whose shootdown has returned. Nobody may read less.
    over: [[AtomicU64; PAGES]; SPACES],
    asked: AtomicU32,
    finished: AtomicU32,
}

/// A small generator (xorshift), so that a run depends on its seed and the host's scheduler only.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// One CPU's part in the storm.
struct Thread<'s> {
    model: Model,
    protocol: &'s dyn Protocol<Model>,
    ledger: &'s Ledger,
    dice: Dice,
    me: usize,
    space: SpaceId,
}

impl Thread<'_> {
    fn run(&mut self) {
        for _ in 0..STEPS {
            match self.dice.below(8) {
                0..2 => self.shoot(),
                2 => {
                    self.space = SpaceId(1 + self.dice.below(SPACES - 1) as u32);
                    self.model.enter(self.space);
                }
                _ => self.read(),
            }
        }
        self.ledger.finished.fetch_add(1, SeqCst);
        while self.ledger.finished.load(SeqCst) < CPUS as u32 {
            self.model.poll();
            thread::yield_now();
        }
    }

    /// Changes one of the pages that are this CPU's to change, anywhere, and shoots it down.
    fn shoot(&mut self) {
        let space = SpaceId(self.dice.below(SPACES) as u32);
        let index = self.dice.below(PAGES / CPUS) * CPUS + self.me;
        let va = page(space, index);
        let request = match self.dice.below(8) {
            0 => Request::global(),
            1 => Request::space(space),
            2 => Request::range(space, va, va + 0x1001).unwrap(),
            _ => Request::page(space, va).unwrap(),
        };
        let new = self.model.change(space, va);
        let proof = self
            .protocol
            .shoot(&self.model, request, Targets::Active)
            .unwrap();
        assert!(proof.covers(space, va));
        self.ledger.over[space.0 as usize][index].store(new, SeqCst);
        self.ledger
            .asked
            .fetch_add(proof.targets().len() as u32, SeqCst);
    }

    /// Reads a page of the current space or the kernel's.
    fn read(&mut self) {
        let space = if self.dice.below(4) == 0 {
            SpaceId::KERNEL
        } else {
            self.space
        };
        let view = if self.dice.below(2) == 0 {
            View::Kernel
        } else {
            View::User
        };
        let index = self.dice.below(PAGES);
        let over = self.ledger.over[space.0 as usize][index].load(SeqCst);
        let seen = self.model.read(view, page(space, index));
        assert!(
            seen >= over,
            "stale: CPU {} reads {seen} of page {index} after {over}",
            self.me
        );
        let foreign = seen / 1_000_000 != u64::from(space.0);
        assert!(!foreign, "CPU {} reads {seen} in space {space}", self.me);
    }
}

fn storm(model: Model, protocol: &dyn Protocol<Model>) {
    let ledger = Ledger::default();
    thread::scope(|scope| {
        for me in 0..CPUS {
            let dice = Dice(0x9e37_79b9_7f4a_7c15 + me as u64);
            let mut thread = Thread {
                model,
                protocol,
                ledger: &ledger,
                dice,
                me,
                space: SpaceId(1),
            };
            scope.spawn(move || {
                thread.model.on(me, || {
                    thread.model.enter(thread.space);
                    thread.run();
                });
            });
        }
    });
    let served: u32 = (0..CPUS).map(|index| model.requests_served(index)).sum();
    assert_eq!(
        served,
        ledger.asked.load(SeqCst),
        "requests served, and asked"
    );
    for cpu in model.online() {
        assert!(protocol.outstanding(cpu).is_empty());
        model.assert_at_rest(cpu.index());
    }
}

#[test]
fn a_stale_read_hang_or_lost_request_with_the_scoreboard() {
    for mode in Mode::ALL {
        for padded in [false, true] {
            let model = Model::threads(CPUS, mode);
            let first_generation = u32::MAX - 20;
            let settings = Settings {
                padded,
                first_generation,
                ..Settings::default()
            };
            storm(model, model.run(Scoreboard::new(&model, CPUS, settings)));
        }
    }
}

#[test]
fn a_stale_read_hang_or_lost_request_with_the_queue() {
    for mode in Mode::ALL {
        for broadcast in [false, true] {
            let model = Model::threads(CPUS, mode);
            let settings = Settings {
                broadcast,
                first_generation: u32::MAX - 20,
                ..Settings::default()
            };
            let queue = Queue::new(&model, CPUS, SPACES, settings);
            storm(model, model.run(queue));
        }
    }
}

#[test]
fn an_interrupt_lost_in_a_storm_that_is_not_sent_again() {
    let model = Model::threads(CPUS, Mode::Plain);
    let settings = Settings {
        resend: true,
        ..Settings::default()
    };
    for cpu in 0..CPUS {
        model.lose(cpu, 5);
    }
    storm(model, model.run(Scoreboard::new(&model, CPUS, settings)));
}

#[test]
fn a_stale_read_hang_or_lost_request_with_the_global_lock() {
    for mode in Mode::ALL {
        let model = Model::threads(CPUS, mode);
        let settings = Settings {
            first_generation: u32::MAX - 20,
            ..Settings::default()
        };
        storm(model, model.run(GlobalLock::new(&model, CPUS, settings)));
    }
}
