//! Which CPUs are asked, and what that is worth.

use super::*;

#[test]
fn a_target_set_that_is_read_twice() {
    let (model, board) = machine(4);
    model.on(3, || model.enter(SpaceId::KERNEL));
    // One CPU leaves the space and another enters it while the shootdown is under way.
    model.at(0, Point::Publish, move || {
        model.on(1, || model.enter(SpaceId::KERNEL));
        model.on(3, || model.enter(SPACE));
    });
    model.clear_log();
    let proof = board.shoot(&model, request(0), Targets::Active).unwrap();
    assert_eq!(proof.targets(), set(&[1, 2]));
    assert_eq!(model.sent(), [Destination::Each(set(&[1, 2]))]);
    assert_eq!(
        model
            .log()
            .iter()
            .filter(|(_, event)| *event == Event::Active)
            .count(),
        1
    );
    assert_eq!(slot_value(board, cpu(3), cpu(0)), Some(1), "no orphan zero");
    assert_eq!((model.requests_served(1), model.requests_served(3)), (1, 0));
}

#[test]
fn a_broadcast_that_interrupts_bystanders() {
    let (model, board) = machine(4);
    let sent = |targets| {
        model.clear_log();
        let _ = board.shoot(&model, request(0), targets).unwrap();
        model.sent()
    };
    assert_eq!(sent(Targets::Active), [Destination::AllButSelf]);
    assert_eq!(sent(Targets::All), [Destination::AllButSelf]);
    assert_eq!(
        sent(Targets::Set(set(&[1, 2, 3]))),
        [Destination::AllButSelf]
    );
    assert_eq!(
        sent(Targets::Set(set(&[1, 3]))),
        [Destination::Each(set(&[1, 3]))]
    );
    board.set_broadcast(false);
    assert_eq!(sent(Targets::All), [Destination::Each(set(&[1, 2, 3]))]);
}

#[test]
fn a_wait_for_a_cpu_that_is_stopped() {
    let (model, board) = machine(3);
    let va = page(SPACE, 0);
    model.read(View::User, va);
    let new = model.change(SPACE, va);
    model.set_alone(true);
    model.mask(true); // With nobody to wait for, interrupts may be off.
    let proof = board.shoot(&model, request(0), Targets::All).unwrap();
    model.mask(false);
    assert_eq!((proof.targets(), proof.generation()), (CpuSet::EMPTY, None));
    assert!(model.sent().is_empty() && proof.covers(SPACE, va));
    assert_eq!(model.read(View::User, va), new);
    model.set_alone(false);
    model.set_online(&[0, 2]);
    assert_eq!(
        board
            .shoot(&model, request(0), Targets::All)
            .unwrap()
            .targets(),
        set(&[2])
    );
    assert_eq!(shoot(board, model, 0, &[0, 1, 2]).targets(), set(&[2]));
    assert!(
        shoot(board, model, 0, &[0, 2]).complete(),
        "what is stopped is not left out"
    );
}

#[test]
fn an_explicit_set_whose_proof_frees_too_much() {
    let (model, board) = machine(3);
    let va = page(SPACE, 0);
    for (cpus, complete) in [
        (&[0, 1][..], false),
        (&[1, 2][..], false),
        (&[0][..], false),
        (&[0, 1, 2][..], true),
    ] {
        let proof = shoot(board, model, 0, cpus);
        assert_eq!(
            (proof.complete(), proof.covers(SPACE, va)),
            (complete, complete),
            "{cpus:?}"
        );
        assert_eq!(proof.local(), cpus.contains(&0));
    }
    model.on(2, || model.enter(SpaceId::KERNEL));
    assert!(shoot(board, model, 0, &[0, 1]).covers(SPACE, va));
}

#[test]
fn an_initiator_outside_the_set_that_invalidates_all_the_same() {
    let (model, board) = machine(2);
    let va = page(SPACE, 0);
    let old = model.read(View::User, va);
    model.change(SPACE, va);
    let _ = shoot(board, model, 0, &[1]);
    assert_eq!(model.read(View::User, va), old);
}
