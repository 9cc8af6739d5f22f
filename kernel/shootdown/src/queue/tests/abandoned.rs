//! Shootdowns that were given up, and the ones after them.

use super::*;

/// CPU 0 gave up waiting for CPU 1, which takes no interrupts.
fn abandoned() -> (Model, &'static Queue<Model>) {
    let (model, queue) = machine(3);
    model.hold(1, true);
    model.set_impatient(true);
    let outcome = queue.shoot(&model, request(0), Targets::Active);
    assert_eq!(outcome, Err(Abandoned));
    model.clear_log();
    (model, queue)
}

#[test]
fn a_given_up_wait_that_stays_pinned_or_in_its_critical_section() {
    let (model, queue) = abandoned();
    model.assert_at_rest(0);
    assert_eq!(queue.outstanding(cpu(0)), set(&[1]), "CPU 2 was served");
}

#[test]
fn a_request_overwritten_while_its_target_is_still_late() {
    let (model, queue) = abandoned();
    let before = queue.request(cpu(0));
    let targets = Targets::Set(set(&[2]));
    let outcome = queue.shoot(&model, request(5), targets);
    assert_eq!(outcome, Err(Abandoned));
    assert_eq!(queue.request(cpu(0)), before);
    assert_eq!(model.requests_served(2), 1, "nobody else was asked");
    model.assert_at_rest(0);
    // Others may ask, the late CPU's neighbour and the late CPU itself, behind the abandoned entry.
    assert_eq!(
        model.on(2, || shoot(queue, model, 1, &[0])).targets(),
        set(&[0])
    );
    model.at(2, Point::Wait, move || model.hold(1, false));
    let _ = model.on(2, || shoot(queue, model, 1, &[1]));
    assert_eq!(model.requests_served(1), 2, "the abandoned one first");
    assert!(queue.outstanding(cpu(0)).is_empty());
    assert_eq!(shoot(queue, model, 5, &[1, 2]).generation(), Some(2));
}

#[test]
fn a_lost_interrupt_that_makes_a_cpu_useless_for_good() {
    let (model, queue) = machine(3);
    let va = page(SPACE, 0);
    model.on(1, || model.read(View::User, va));
    let new = model.change(SPACE, va);
    model.lose(1, 1);
    model.set_impatient(true);
    let outcome = queue.shoot(&model, request(0), Targets::Active);
    assert_eq!(outcome, Err(Abandoned));
    // With its queue not empty, nobody else sends an interrupt either.
    let targets = Targets::Set(set(&[1]));
    let outcome = model.on(2, || queue.shoot(&model, request(1), targets));
    assert_eq!(outcome, Err(Abandoned));
    model.set_impatient(false);
    // The next shootdown of either sends it again.
    assert_eq!(shoot(queue, model, 1, &[0, 1]).generation(), Some(2));
    assert_eq!(model.on(1, || model.read(View::User, va)), new);
    assert_eq!(model.requests_served(1), 3);
    assert!(queue.outstanding(cpu(2)).is_empty());
}
