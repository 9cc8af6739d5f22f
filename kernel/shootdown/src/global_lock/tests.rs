//! The protocol before the scoreboard, a step at a time.

use super::*;

use crate::model::{Model, View, cpu, page, set};
use crate::{Point, SpaceId};
use std::vec::Vec;

const SPACE: SpaceId = SpaceId(1);

fn machine(cpus: usize) -> (Model, &'static GlobalLock<Model>) {
    let model = Model::steps(cpus);
    let lock = model.run(GlobalLock::new(&model, cpus, Settings::default()));
    (model, lock)
}

fn request(index: usize) -> Request {
    Request::page(SPACE, page(SPACE, index)).unwrap()
}

#[test]
fn a_stale_translation_that_outlives_its_shootdown() {
    let (model, lock) = machine(3);
    let va = page(SPACE, 0);
    for index in 0..3 {
        model.on(index, || model.read(View::User, va));
    }
    let new = model.change(SPACE, va);
    let proof = lock.shoot(&model, request(0), Targets::Active).unwrap();
    for index in 0..3 {
        assert_eq!(model.on(index, || model.read(View::User, va)), new);
        model.assert_at_rest(index);
    }
    assert!(proof.covers(SPACE, va));
    assert_eq!(proof.generation(), Some(1));
    let points = [
        Point::Notice,
        Point::Copy,
        Point::Invalidate,
        Point::Acknowledge,
        Point::Return,
    ];
    assert_eq!(model.points(1), points, "invalidate, then acknowledge");
}

#[test]
fn a_waiter_for_the_lock_that_does_not_answer_its_holder() {
    let (model, lock) = machine(2);
    model.at(0, Point::Wait, move || {
        model.set_impatient(true);
        // Nested as it is here, CPU 1 cannot get the lock; but it must serve CPU 0 meanwhile.
        assert_eq!(lock.waits_for(cpu(1)), set(&[0]), "the holder");
        assert_eq!(
            lock.waits_for(cpu(0)),
            set(&[1]),
            "who has not acknowledged"
        );
        model.on(1, || {
            model.at(1, Point::Wait, move || {
                assert_eq!(model.requests_served(1), 1)
            });
            let outcome = lock.shoot(&model, request(1), Targets::Active);
            assert_eq!(outcome, Err(Abandoned));
        });
        model.set_impatient(false);
    });
    assert!(lock.shoot(&model, request(0), Targets::Active).is_ok());
    model.assert_at_rest(0);
    model.assert_at_rest(1);
}

#[test]
fn a_holder_that_takes_interrupts() {
    let (model, lock) = machine(2);
    model.at(0, Point::Publish, move || {
        assert!(!model.interrupts_enabled());
    });
    let _ = lock.shoot(&model, request(0), Targets::Active).unwrap();
    assert!(model.interrupts_enabled());
}

#[test]
fn a_generation_of_zero() {
    let model = Model::steps(2);
    let first_generation = 0xffff_ffff;
    let settings = Settings {
        first_generation,
        ..Settings::default()
    };
    let lock = model.run(GlobalLock::new(&model, 2, settings));
    let generations: Vec<_> = (0..3)
        .map(|_| lock.shoot(&model, request(0), Targets::Active))
        .map(|outcome| outcome.unwrap().generation().unwrap())
        .collect();
    assert_eq!(generations, [0xffff_ffff, 1, 2]);
    assert_eq!(model.requests_served(1), 3);
}

#[test]
fn an_interrupt_for_nothing() {
    let (model, lock) = machine(2);
    assert_eq!(model.on(1, || lock.handle(&model)), 0);
    let _ = lock.shoot(&model, request(0), Targets::Active).unwrap();
    assert_eq!(model.on(1, || lock.handle(&model)), 0);
}

#[test]
fn a_late_target_that_misses_an_abandoned_request() {
    let (model, lock) = machine(3);
    let va = page(SPACE, 0);
    model.on(1, || model.read(View::User, va));
    let new = model.change(SPACE, va);
    model.hold(1, true);
    model.set_impatient(true);
    assert_eq!(
        lock.shoot(&model, request(0), Targets::Active),
        Err(Abandoned)
    );
    assert_eq!(lock.outstanding(cpu(0)), set(&[1]));
    model.assert_at_rest(0);
    // Still late: another initiator must not overwrite the request.
    let only_0 = Targets::Set(set(&[0]));
    let blocked = model.on(2, || lock.shoot(&model, request(5), only_0));
    assert_eq!(blocked, Err(Abandoned));
    assert_eq!(lock.request(cpu(0)).unwrap().addr1, va);
    assert!(lock.request(cpu(2)).is_none());
    model.assert_at_rest(2);
    // Able again: the next shootdown has it served first.
    model.hold(1, false);
    let next = model
        .on(2, || lock.shoot(&model, request(5), only_0))
        .unwrap();
    assert_eq!(next.generation(), Some(2));
    assert_eq!(model.on(1, || model.read(View::User, va)), new);
    assert_eq!(lock.outstanding(cpu(2)), CpuSet::EMPTY);
    assert_eq!(lock.request(cpu(2)).unwrap().addr1, page(SPACE, 5));
}

#[test]
fn a_late_target_that_waits_for_itself() {
    // CPU 1 lost an interrupt, and becomes the next holder of the lock.
    let (model, lock) = machine(2);
    model.lose(1, 1);
    model.set_impatient(true);
    assert_eq!(
        lock.shoot(&model, request(0), Targets::Active),
        Err(Abandoned)
    );
    model.set_impatient(false);
    let proof = model.on(1, || lock.shoot(&model, request(1), Targets::Active));
    assert_eq!(proof.unwrap().generation(), Some(2));
}

#[test]
fn a_lost_interrupt_that_blocks_everybody_for_good() {
    let (model, lock) = machine(3);
    model.lose(1, 1);
    model.set_impatient(true);
    assert_eq!(
        lock.shoot(&model, request(0), Targets::Active),
        Err(Abandoned)
    );
    model.set_impatient(false);
    let only_0 = Targets::Set(set(&[0]));
    let proof = model.on(2, || lock.shoot(&model, request(1), only_0));
    assert_eq!(proof.unwrap().generation(), Some(2));
    assert_eq!(model.requests_served(1), 1, "what it had missed");
}

#[test]
#[should_panic(expected = "CPU 0, step 3: interrupts are off (I7")]
fn an_initiation_with_interrupts_off() {
    let (model, lock) = machine(2);
    model.mask(true);
    let _ = lock.shoot(&model, request(0), Targets::Active);
}

#[test]
fn a_broadcast_that_was_switched_off() {
    let model = Model::steps(3);
    let settings = Settings {
        broadcast: false,
        ..Settings::default()
    };
    let lock = model.run(GlobalLock::new(&model, 3, settings));
    let _ = lock.shoot(&model, request(0), Targets::Active).unwrap();
    assert_eq!(model.sent(), [Destination::Each(set(&[1, 2]))]);
    let word = |initiator| lock.slot(cpu(1), cpu(initiator)).map(core::ptr::from_ref);
    assert_eq!(word(0), word(2), "one word for every initiator");
    assert!(lock.slot(cpu(3), cpu(0)).is_none());
}
