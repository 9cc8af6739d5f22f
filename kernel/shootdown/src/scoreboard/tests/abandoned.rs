//! Shootdowns that were given up, and the ones after them.

use super::*;

/// CPU 0 gave up waiting for CPU 1, which then can take interrupts again if `revived`.
fn abandoned(revived: bool) -> (Model, &'static Scoreboard<Model>) {
    let (model, board) = machine(3);
    model.hold(1, true);
    model.set_impatient(true);
    let outcome = board.shoot(&model, request(0), Targets::Active);
    assert_eq!(outcome, Err(Abandoned));
    model.hold(1, !revived);
    model.clear_log();
    (model, board)
}

#[test]
fn a_given_up_wait_that_stays_pinned_or_in_its_critical_section() {
    let (model, board) = abandoned(false);
    model.assert_at_rest(0);
    assert_eq!(board.outstanding(cpu(0)), set(&[1]), "CPU 2 was served");
}

#[test]
fn a_late_target_that_reads_the_next_request_for_the_last() {
    let (model, board) = abandoned(true);
    let va = page(SPACE, 0);
    // CPU 1 serves the abandoned request only when CPU 0's next one, to CPU 2, is under way.
    let old = model.on(1, || {
        model.hold(1, true);
        let old = model.read(View::User, va);
        model.hold(1, false);
        old
    });
    let new = model.change(SPACE, va);
    model.at(1, Point::Copy, move || {
        assert_eq!(
            board.request(cpu(0)).unwrap().addr1,
            va,
            "as it was when abandoned"
        );
    });
    let proof = shoot(board, model, 5, &[2]);
    assert_eq!(proof.generation(), Some(2));
    assert_eq!(
        slot_value(board, cpu(1), cpu(0)),
        Some(1),
        "late, but acknowledged"
    );
    assert_eq!(model.on(1, || model.read(View::User, va)), new);
    assert_ne!(old, new);
    let (resent, published) = (Destination::Each(set(&[1])), Event::Point(Point::Publish));
    let place = |event| {
        model
            .log()
            .into_iter()
            .position(|logged| logged == (0, event))
            .unwrap()
    };
    assert!(place(Event::Sent(resent)) < place(published));
}

#[test]
fn a_lost_interrupt_that_makes_a_cpu_useless_for_good() {
    let (model, board) = machine(2);
    model.lose(1, 1);
    model.set_impatient(true);
    assert_eq!(
        board.shoot(&model, request(0), Targets::Active),
        Err(Abandoned)
    );
    model.set_impatient(false);
    // The next shootdown sends the interrupt again.
    assert_eq!(shoot(board, model, 1, &[0, 1]).generation(), Some(2));
    assert_eq!(model.requests_served(1), 2);
    model.clear_log();
    let _ = shoot(board, model, 1, &[0, 1]);
    assert_eq!(model.sent().len(), 1, "but the one after that does not");
}

#[test]
fn a_request_overwritten_while_its_target_is_still_late() {
    let (model, board) = abandoned(false);
    let before = board.request(cpu(0));
    assert_eq!(
        board.shoot(&model, request(5), Targets::Set(set(&[2]))),
        Err(Abandoned)
    );
    assert_eq!(board.request(cpu(0)), before);
    assert_eq!(
        slot_value(board, cpu(2), cpu(0)),
        Some(1),
        "nobody else was asked"
    );
    model.assert_at_rest(0);
    // The others are not held up by it, not even in asking the late CPU's neighbour.
    assert_eq!(
        model.on(2, || shoot(board, model, 1, &[0])).targets(),
        set(&[0])
    );
    model.hold(1, false);
    assert_eq!(shoot(board, model, 5, &[0, 1, 2]).generation(), Some(2));
}
