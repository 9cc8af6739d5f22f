//! The queue protocol, a step at a time.

use super::*;
use crate::model::{Event, Model, View, cpu, page, set};
use crate::{Point, SpaceId};
use std::vec::Vec;

mod abandoned;
mod late;

const SPACE: SpaceId = SpaceId(1);
const SPACES: usize = crate::model::SPACES;

fn queue(model: Model, cpus: usize, settings: Settings) -> &'static Queue<Model> {
    model.run(Queue::new(&model, cpus, SPACES, settings))
}

fn machine(cpus: usize) -> (Model, &'static Queue<Model>) {
    let model = Model::steps(cpus);
    (model, queue(model, cpus, Settings::default()))
}

fn request(index: usize) -> Request {
    Request::page(SPACE, page(SPACE, index)).unwrap()
}

fn shoot(queue: &Queue<Model>, model: Model, index: usize, cpus: &[usize]) -> Acknowledged {
    queue
        .shoot(&model, request(index), Targets::Set(set(cpus)))
        .unwrap()
}

/// The CPUs on the queue of `target`, newest first.
fn queued(queue: &Queue<Model>, target: usize) -> Vec<usize> {
    let mut cpus = Vec::new();
    let mut rest = queue.inboxes[target].queue.peek(Relaxed);
    while let Some(initiator) = linked(rest) {
        cpus.push(initiator.index());
        rest = queue.entry(cpu(target), initiator).next.peek(Relaxed);
    }
    cpus
}

#[test]
fn a_stale_translation_that_outlives_its_shootdown() {
    let (model, queue) = machine(3);
    let va = page(SPACE, 0);
    for round in 0..4 {
        for index in 0..3 {
            model.on(index, || model.read(View::User, va));
        }
        let new = model.change(SPACE, va);
        for index in 0..3 {
            // The premise, without which the rest shows nothing.
            assert_eq!(model.on(index, || model.read(View::User, va)), new - 1);
        }
        let proof = queue.shoot(&model, request(0), Targets::Active).unwrap();
        for index in 0..3 {
            let seen = model.on(index, || model.read(View::User, va));
            assert_eq!(seen, new, "CPU {index}, round {round}");
            model.assert_at_rest(index);
        }
        assert!(proof.covers(SPACE, va) && proof.local());
        assert_eq!(proof.targets(), set(&[1, 2]));
        assert_eq!(proof.generation(), Some(round + 1));
    }
}

#[test]
fn a_step_out_of_order() {
    let (model, queue) = machine(2);
    let _ = queue.shoot(&model, request(0), Targets::Active).unwrap();
    let events: Vec<Event> = model
        .log()
        .into_iter()
        .filter_map(|(cpu, event)| (cpu == 0).then_some(event))
        .collect();
    assert_eq!(
        events,
        [
            Event::Pin,
            Event::Point(Point::Pin),
            Event::Fence,
            Event::Active,
            Event::EnterCritical,
            Event::Point(Point::Publish),
            Event::Point(Point::Generation),
            Event::Point(Point::Zero),
            Event::Point(Point::Send),
            Event::Sent(Destination::AllButSelf),
            Event::Point(Point::LocalInvalidate),
            Event::Point(Point::Wait),
            Event::Point(Point::Done),
            Event::Unpin,
            Event::LeaveCritical,
        ]
    );
    let late = [
        Point::Notice,
        Point::Copy,
        Point::Invalidate,
        Point::Acknowledge,
        Point::Return,
    ];
    assert_eq!(model.points(1), late, "invalidate, then acknowledge");
}

#[test]
fn a_request_word_written_after_its_entry_can_be_found() {
    let (model, queue) = machine(2);
    let asked = Request::range(SPACE, 0x5000, 0x8000).unwrap();
    let checked = move || {
        let words = queue.request(cpu(0)).unwrap();
        assert_eq!(words.operation(), Some(crate::Operation::Range));
        assert_eq!((words.addr1, words.addr2), (0x5000, 0x8000));
        assert_eq!((words.space, words.generation), (SPACE.0, 1));
        assert_eq!(queue.requests[0].space_generation.peek(Relaxed), 1);
        assert!(queued(queue, 1).is_empty());
    };
    model.at(0, Point::Zero, checked);
    let _ = queue.shoot(&model, asked, Targets::Active).unwrap();
}

#[test]
fn an_acknowledgement_before_the_invalidation() {
    let (model, queue) = machine(2);
    let va = page(SPACE, 0);
    model.on(1, || model.read(View::User, va));
    let new = model.change(SPACE, va);
    model.at(1, Point::Invalidate, move || {
        assert_eq!(queue.outstanding(cpu(0)), set(&[1]));
    });
    model.at(1, Point::Acknowledge, move || {
        assert_eq!(model.read(View::User, va), new, "invalidated already");
    });
    let _ = queue.shoot(&model, request(0), Targets::Active).unwrap();
    assert!(queue.outstanding(cpu(0)).is_empty());
}

#[test]
fn an_entry_of_a_busy_queue_that_is_announced_again_or_never_served() {
    // Three initiators while the target takes nothing.
    let (model, queue) = machine(4);
    model.hold(3, true);
    model.at(0, Point::Wait, move || {
        let _ = model.on(1, || {
            model.at(1, Point::Wait, move || {
                let _ = model.on(2, || {
                    model.at(2, Point::Wait, move || {
                        assert_eq!(queued(queue, 3), [2, 1, 0]);
                        model.hold(3, false);
                    });
                    shoot(queue, model, 2, &[3])
                });
            });
            shoot(queue, model, 1, &[3])
        });
    });
    let _ = shoot(queue, model, 0, &[3]);
    let counts = (model.interrupts_taken(3), model.requests_served(3));
    assert_eq!(counts, (1, 3));
    assert_eq!(
        model.sent(),
        [Destination::Each(set(&[3]))],
        "by CPU 0 alone"
    );
}

#[test]
fn requests_served_newest_first() {
    let (model, queue) = machine(4);
    let target = cpu(3);
    for initiator in [1, 0, 2] {
        queue.requests[initiator].words.publish(&request(initiator));
        assert_eq!(queue.enqueue(target, cpu(initiator)), initiator == 1);
    }
    // Each acknowledgement is the first of its initiator: who is still locked tells the order.
    let mut order = Vec::new();
    model.on(3, || {
        model.mask(true);
        queue.take(target, &queue.inboxes[3]);
        let mut rest = queue.inboxes[3].taken.peek(Relaxed);
        while let Some(initiator) = linked(rest) {
            order.push(initiator.index());
            rest = queue.entry(target, initiator).next.peek(Relaxed);
        }
        assert_eq!(queue.handle(&model), 3);
        model.mask(false);
    });
    assert_eq!(order, [1, 0, 2]);
}

#[test]
fn an_entry_added_while_the_queue_is_served() {
    let (model, queue) = machine(3);
    model.at(2, Point::Invalidate, move || {
        // CPU 0 asks while CPU 2 serves CPU 1; it cannot be answered at this moment.
        model.set_impatient(true);
        let targets = Targets::Set(set(&[2]));
        let outcome = model.on(0, || queue.shoot(&model, request(0), targets));
        assert_eq!(outcome, Err(Abandoned));
        model.set_impatient(false);
    });
    let _ = model.on(1, || shoot(queue, model, 1, &[2]));
    // CPU 0 found the queue empty, so there is an interrupt of its own, with nothing left to do.
    let counts = (model.interrupts_taken(2), model.requests_served(2));
    assert_eq!(counts, (2, 2));
}

#[test]
fn an_entry_lost_by_a_handler_that_ended_early() {
    let (model, queue) = machine(3);
    let target = cpu(2);
    for initiator in [0, 1] {
        queue.requests[initiator].words.publish(&request(initiator));
        queue.enqueue(target, cpu(initiator));
    }
    // A handler that took the queue and served nobody.
    queue.take(target, &queue.inboxes[2]);
    assert!(queued(queue, 2).is_empty());
    model.on(2, || {
        model.mask(true);
        assert_eq!(queue.handle(&model), 2);
        model.mask(false);
    });
    assert!(queue.outstanding(cpu(0)).is_empty() && queue.outstanding(cpu(1)).is_empty());
}

#[test]
fn a_waiting_initiator_that_does_not_answer() {
    let (model, queue) = machine(2);
    model.hold(1, true);
    model.at(0, Point::Wait, move || {
        let _ = model.on(1, || shoot(queue, model, 1, &[0]));
        assert_eq!(model.requests_served(0), 1, "served while waiting (I7)");
        assert_eq!(queue.outstanding(cpu(0)), set(&[1]), "and still waiting");
        model.hold(1, false);
    });
    let _ = shoot(queue, model, 0, &[1]);
    model.assert_at_rest(0);
    model.assert_at_rest(1);
}

#[test]
fn a_generation_of_zero() {
    let model = Model::steps(2);
    let settings = Settings {
        first_generation: 0xffff_fffe,
        ..Settings::default()
    };
    let queue = queue(model, 2, settings);
    let generations: Vec<_> = (0..4)
        .map(|_| shoot(queue, model, 0, &[1]).generation().unwrap())
        .collect();
    assert_eq!(generations, [0xffff_fffe, 0xffff_ffff, 1, 2]);
    assert_eq!(model.requests_served(1), 4);
}

#[test]
#[should_panic(expected = "CPU 0, step 3: interrupts are off (I7")]
fn an_initiation_with_interrupts_off() {
    let (model, queue) = machine(2);
    model.mask(true);
    let _ = shoot(queue, model, 0, &[1]);
}

#[test]
#[should_panic(expected = "CPU 0, step 6: the entry is locked already (I3")]
fn an_entry_put_on_a_queue_twice() {
    let (model, queue) = machine(2);
    model.at(0, Point::Publish, move || {
        queue.entry(cpu(1), cpu(0)).slot.store(0, Relaxed);
    });
    let _ = shoot(queue, model, 0, &[1]);
}

#[test]
fn a_broadcast_to_a_cpu_whose_queue_was_announced_already() {
    let (model, queue) = machine(4);
    let sent = |index| {
        model.clear_log();
        let _ = queue.shoot(&model, request(index), Targets::All).unwrap();
        model.sent()
    };
    assert_eq!(sent(0), [Destination::AllButSelf]);
    queue.set_broadcast(false);
    assert_eq!(queue.broadcast(), Some(false));
    assert_eq!(sent(0), [Destination::Each(set(&[1, 2, 3]))]);
    queue.set_broadcast(true);
    model.clear_log();
    model.hold(3, true);
    model.at(1, Point::Wait, move || {
        let _ = model.on(0, || {
            model.at(0, Point::Wait, move || model.hold(3, false));
            queue.shoot(&model, request(1), Targets::All).unwrap()
        });
    });
    let _ = model.on(1, || shoot(queue, model, 2, &[3]));
    let each = |cpus| Destination::Each(set(cpus));
    assert_eq!(model.sent(), [each(&[3]), each(&[1, 2])]);
}

#[test]
fn a_word_that_two_pairs_share() {
    let (_, queue) = machine(3);
    let mut words = Vec::new();
    for target in 0..3 {
        for initiator in 0..3 {
            let slot = queue.slot(cpu(target), cpu(initiator)).unwrap();
            assert_eq!(slot.peek(Relaxed), 1);
            words.push(core::ptr::from_ref(slot));
        }
    }
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 9);
    assert!(queue.slot(cpu(3), cpu(0)).is_none() && queue.slot(cpu(0), cpu(3)).is_none());
    assert!(queue.head(cpu(3)).is_none() && queue.request(cpu(3)).is_none());
    assert!(queue.outstanding(cpu(3)).is_empty());
}

#[test]
fn an_interrupt_for_nothing() {
    let (model, queue) = machine(2);
    assert_eq!(model.on(1, || queue.handle(&model)), 0);
    assert_eq!(model.points(1), [Point::Return]);
}
