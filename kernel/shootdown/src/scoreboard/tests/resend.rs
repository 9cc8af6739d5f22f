//! Interrupts that get lost, with resending and without.

use super::*;

fn resending(cpus: usize) -> (Model, &'static Scoreboard<Model>) {
    let model = Model::steps(cpus);
    let settings = Settings {
        resend: true,
        ..Settings::default()
    };
    (model, board(model, cpus, settings))
}

#[test]
fn a_lost_interrupt_that_is_not_sent_again() {
    let (model, board) = resending(4);
    let va = page(SPACE, 0);
    model.on(1, || model.read(View::User, va));
    let new = model.change(SPACE, va);
    model.clear_log();
    model.lose(1, 1);
    model.lose(3, 1);
    let proof = board.shoot(&model, request(0), Targets::Active).unwrap();
    assert_eq!(proof.targets(), set(&[1, 2, 3]));
    assert_eq!(model.on(1, || model.read(View::User, va)), new);
    let again = Destination::Each(set(&[1, 3]));
    let sent = [Destination::AllButSelf, again];
    assert_eq!(model.sent(), sent, "once, and to the late ones only");
    assert_eq!(model.requests_served(1), 1);
    model.assert_at_rest(0);
}

#[test]
fn an_interrupt_sent_again_to_a_target_that_was_only_slow() {
    let (model, board) = resending(2);
    model.hold(1, true);
    // Taken off hold by the second interrupt: both are in by then.
    model.at(0, Point::Send, move || {
        model.at(0, Point::Send, move || model.hold(1, false));
    });
    let _ = shoot(board, model, 0, &[1]);
    assert_eq!(model.on(1, || board.handle(&model)), 0);
    assert_eq!(model.requests_served(1), 1);
    assert_eq!(shoot(board, model, 0, &[1]).generation(), Some(2));
}

#[test]
#[should_panic(expected = "hang: CPU 0 waits for what nothing can bring")]
fn a_protocol_without_resending_that_resends() {
    let (model, board) = machine(2);
    model.lose(1, 1);
    let _ = shoot(board, model, 0, &[1]);
}

#[test]
fn a_target_that_stays_silent_waited_for_without_end() {
    let (model, board) = resending(2);
    model.lose(1, u32::MAX);
    model.set_impatient(true);
    let outcome = board.shoot(&model, request(0), Targets::Active);
    assert_eq!(outcome, Err(Abandoned));
    assert_eq!(board.outstanding(cpu(0)), set(&[1]));
    assert_eq!(board.name(), "scoreboard-resend");
    model.assert_at_rest(0);
}
