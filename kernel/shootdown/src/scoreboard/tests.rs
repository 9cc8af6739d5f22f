//! The scoreboard protocol, a step at a time.

use super::*;
use crate::model::{Event, Model, View, cpu, page, set};
use crate::{Point, SpaceId, Targets};
use std::vec::Vec;

mod abandoned;
mod asked;
mod resend;
mod rows;

const SPACE: SpaceId = SpaceId(1);

fn board(model: Model, cpus: usize, settings: Settings) -> &'static Scoreboard<Model> {
    model.run(Scoreboard::new(&model, cpus, settings))
}

fn machine(cpus: usize) -> (Model, &'static Scoreboard<Model>) {
    let model = Model::steps(cpus);
    (model, board(model, cpus, Settings::default()))
}

fn slot_value(board: &Scoreboard<Model>, target: CpuId, initiator: CpuId) -> Option<u32> {
    Some(board.slot(target, initiator)?.peek(Relaxed))
}

fn request(index: usize) -> Request {
    Request::page(SPACE, page(SPACE, index)).unwrap()
}

fn shoot(board: &Scoreboard<Model>, model: Model, index: usize, cpus: &[usize]) -> Acknowledged {
    board
        .shoot(&model, request(index), Targets::Set(set(cpus)))
        .unwrap()
}

#[test]
fn a_stale_translation_that_outlives_its_shootdown() {
    let (model, board) = machine(3);
    let va = page(SPACE, 0);
    for index in 0..3 {
        model.on(index, || model.read(View::User, va));
    }
    let new = model.change(SPACE, va);
    for index in 0..3 {
        // The premise, without which the rest shows nothing.
        assert_eq!(model.on(index, || model.read(View::User, va)), new - 1);
    }
    let proof = board.shoot(&model, request(0), Targets::Active).unwrap();
    for index in 0..3 {
        assert_eq!(
            model.on(index, || model.read(View::User, va)),
            new,
            "CPU {index}"
        );
        model.assert_at_rest(index);
    }
    assert!(proof.covers(SPACE, va) && !proof.covers(SPACE, page(SPACE, 1)) && proof.local());
    assert_eq!(proof.targets(), set(&[1, 2]));
    assert_eq!((proof.initiator(), proof.generation()), (cpu(0), Some(1)));
}

#[test]
fn a_step_out_of_order() {
    let (model, board) = machine(2);
    let _ = board.shoot(&model, request(0), Targets::Active).unwrap();
    let initiator = |event: &(usize, Event)| event.0 == 0;
    let events: Vec<Event> = model
        .log()
        .into_iter()
        .filter(initiator)
        .map(|(_, event)| event)
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
            // An owed preemption, which comes as the section ends, may pick any CPU (step 10).
            Event::Unpin,
            Event::LeaveCritical,
        ]
    );
    assert_eq!(
        model.points(1),
        [
            Point::Notice,
            Point::Copy,
            Point::Acknowledge,
            Point::Invalidate,
            Point::Return,
        ]
    );
}

#[test]
fn a_request_word_written_after_the_zero_that_announces_it() {
    let (model, board) = machine(2);
    let asked = Request::range(SPACE, 0x5000, 0x8000).unwrap();
    let checked = move || {
        let words = board.request(cpu(0)).unwrap();
        assert_eq!(words.operation(), Some(Operation::Range));
        assert_eq!((words.addr1, words.addr2), (0x5000, 0x8000));
        assert_eq!((words.space, words.generation), (SPACE.0, 1));
    };
    model.at(0, Point::Zero, checked);
    let _ = board.shoot(&model, asked, Targets::Active).unwrap();
}

#[test]
fn a_target_that_invalidates_before_it_acknowledges() {
    let (model, board) = machine(2);
    let va = page(SPACE, 0);
    let old = model.on(1, || model.read(View::User, va));
    let new = model.change(SPACE, va);
    model.at(1, Point::Invalidate, move || {
        assert_eq!(slot_value(board, cpu(1), cpu(0)), Some(1), "acknowledged");
        assert_eq!(
            model.read(View::User, va),
            old,
            "and not yet invalidated (claim 5)"
        );
    });
    let _ = board.shoot(&model, request(0), Targets::Active).unwrap();
    assert_eq!(model.on(1, || model.read(View::User, va)), new);
}

#[test]
fn an_acknowledgement_before_the_request_is_copied() {
    // As soon as the slot is set the initiator may write its next request over this one.
    let (model, board) = machine(2);
    let va = page(SPACE, 0);
    model.on(1, || model.read(View::User, va));
    let new = model.change(SPACE, va);
    model.at(1, Point::Invalidate, move || {
        board.requests[0].addr1.store(page(SPACE, 7), Relaxed);
    });
    let _ = board.shoot(&model, request(0), Targets::Active).unwrap();
    assert_eq!(model.on(1, || model.read(View::User, va)), new);
}

#[test]
fn a_handler_that_returns_with_zeros_left_in_its_row() {
    // Three initiators while the target takes nothing: its APIC keeps one interrupt for all.
    let (model, board) = machine(4);
    model.hold(3, true);
    model.at(0, Point::Wait, move || {
        let _ = model.on(1, || {
            model.at(1, Point::Wait, move || {
                let _ = model.on(2, || {
                    model.at(2, Point::Wait, move || {
                        let row = board.row(cpu(3)).iter().map(|slot| slot.peek(Relaxed));
                        assert_eq!(row.collect::<Vec<_>>(), [0, 0, 0, 1]);
                        model.hold(3, false);
                    });
                    shoot(board, model, 2, &[3])
                });
            });
            shoot(board, model, 1, &[3])
        });
    });
    let _ = shoot(board, model, 0, &[3]);
    let counts = (model.interrupts_taken(3), model.requests_served(3));
    assert_eq!(counts, (1, 3));
}

#[test]
fn a_zero_behind_the_scan() {
    let (model, board) = machine(3);
    model.at(2, Point::Invalidate, move || {
        // CPU 0 asks while CPU 2 serves CPU 1; it cannot be answered at this moment.
        model.set_impatient(true);
        let targets = Targets::Set(set(&[2]));
        let outcome = model.on(0, || board.shoot(&model, request(0), targets));
        assert_eq!(outcome, Err(Abandoned));
        model.set_impatient(false);
    });
    let _ = model.on(1, || shoot(board, model, 1, &[2]));
    // The interrupt for CPU 0's request is taken second, when the first has served that already.
    let counts = (model.interrupts_taken(2), model.requests_served(2));
    assert_eq!(counts, (2, 2));
    let one_more = [
        Point::Notice,
        Point::Copy,
        Point::Acknowledge,
        Point::Invalidate,
    ];
    assert_eq!(model.points(2)[4..8], one_more);
    assert_eq!(model.points(2)[8..], [Point::Return, Point::Return]);
}

#[test]
fn a_waiting_initiator_that_does_not_answer() {
    let (model, board) = machine(2);
    model.hold(1, true);
    model.at(0, Point::Wait, move || {
        let _ = model.on(1, || shoot(board, model, 1, &[0]));
        assert_eq!(model.requests_served(0), 1, "served while waiting (I7)");
        assert_eq!(board.outstanding(cpu(0)), set(&[1]), "and still waiting");
        model.hold(1, false);
    });
    let _ = shoot(board, model, 0, &[1]);
    model.assert_at_rest(0);
    model.assert_at_rest(1);
}

#[test]
fn a_generation_of_zero() {
    let model = Model::steps(2);
    let first_generation = 0xffff_fffe;
    let board = board(
        model,
        2,
        Settings {
            first_generation,
            ..Settings::default()
        },
    );
    let generations: Vec<_> = (0..4)
        .map(|_| shoot(board, model, 0, &[1]).generation().unwrap())
        .collect();
    assert_eq!(generations, [0xffff_fffe, 0xffff_ffff, 1, 2]);
    assert_eq!(model.requests_served(1), 4);
}

#[test]
fn a_first_generation_of_zero() {
    let model = Model::steps(2);
    let board = board(
        model,
        2,
        Settings {
            first_generation: 0,
            ..Settings::default()
        },
    );
    assert_eq!(shoot(board, model, 0, &[1]).generation(), Some(1));
}

#[test]
fn another_generation_taken_for_the_acknowledgement() {
    let (model, board) = machine(2);
    model.hold(1, true);
    model.set_impatient(true);
    model.at(0, Point::Wait, move || {
        board.row(cpu(1))[0].store(77, Relaxed)
    });
    let outcome = board.shoot(&model, request(0), Targets::Active);
    assert_eq!(outcome, Err(Abandoned));
}

#[test]
#[should_panic(expected = "CPU 0, step 3: interrupts are off (I7")]
fn an_initiation_with_interrupts_off() {
    let (model, board) = machine(2);
    model.mask(true);
    let _ = shoot(board, model, 0, &[1]);
}

#[test]
#[should_panic(expected = "CPU 0, step 6: the slot is zero already (I3")]
fn a_second_user_of_one_request() {
    let (model, board) = machine(2);
    model.at(0, Point::Wait, move || {
        let _ = shoot(board, model, 1, &[1]);
    });
    let _ = shoot(board, model, 0, &[1]);
}
