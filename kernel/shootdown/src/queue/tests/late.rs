//! Requests that are late, repeated, or not the only one missing.

use super::*;

/// What CPU 1 did, apart from looking.
fn done_by_1(model: Model) -> Vec<Point> {
    let kept = |point: &Point| matches!(point, Point::Invalidate | Point::Acknowledge);
    model.points(1).into_iter().filter(kept).collect()
}

#[test]
fn an_interrupt_taken_twice_that_invalidates_twice() {
    let (model, queue) = machine(2);
    let _ = shoot(queue, model, 0, &[1]);
    model.clear_log();
    assert_eq!(model.on(1, || queue.handle(&model)), 0);
    assert_eq!(done_by_1(model), []);
}

#[test]
fn a_request_whose_change_is_invalidated_already() {
    // CPU 2 asks while CPU 0's request waits on the queue of CPU 1, which then serves both.
    let (model, queue) = machine(3);
    let vas = [page(SPACE, 0), page(SPACE, 1)];
    let _ = queue.shoot(&model, request(5), Targets::Active).unwrap();
    for va in vas {
        model.on(1, || model.read(View::User, va));
    }
    let news = vas.map(|va| model.change(SPACE, va));
    model.clear_log();
    model.hold(1, true);
    model.at(0, Point::Wait, move || {
        let _ = model.on(2, || {
            model.at(2, Point::Wait, move || model.hold(1, false));
            shoot(queue, model, 1, &[1])
        });
    });
    let _ = shoot(queue, model, 0, &[1]);
    let both = [Point::Invalidate, Point::Acknowledge, Point::Acknowledge];
    assert_eq!(done_by_1(model), both, "one invalidation for both");
    assert_eq!(model.requests_served(1), 3);
    let seen = vas.map(|va| model.on(1, || model.read(View::User, va)));
    assert_eq!(seen, news);
}

#[test]
fn a_cpu_that_missed_a_generation_and_invalidates_one_page() {
    let (model, queue) = machine(3);
    let missed = page(SPACE, 3);
    model.on(1, || model.read(View::User, missed));
    let new = model.change(SPACE, missed);
    // CPU 1 is left out of this one.
    let _ = shoot(queue, model, 3, &[0, 2]);
    assert_eq!(model.on(1, || model.read(View::User, missed)), new - 1);
    let _ = shoot(queue, model, 0, &[1]);
    assert_eq!(model.on(1, || model.read(View::User, missed)), new);
    // With nothing missing, just the page: what else is stale stays so.
    model.change(SPACE, missed);
    let _ = shoot(queue, model, 0, &[1]);
    assert_eq!(model.on(1, || model.read(View::User, missed)), new);
}

#[test]
fn a_local_invalidation_that_a_handler_has_done_already() {
    let (model, queue) = machine(2);
    let _ = queue.shoot(&model, request(5), Targets::Active).unwrap();
    let va = page(SPACE, 0);
    model.read(View::User, va);
    let new = model.change(SPACE, va);
    model.clear_log();
    model.at(0, Point::Send, move || {
        // CPU 1's request makes CPU 0 invalidate all of the space, its own change included.
        let _ = model.on(1, || {
            model.at(1, Point::Wait, move || model.hold(0, false));
            shoot(queue, model, 1, &[0])
        });
    });
    let _ = queue.shoot(&model, request(0), Targets::Active).unwrap();
    let points = model.points(0);
    assert!(points.contains(&Point::Invalidate) && !points.contains(&Point::LocalInvalidate));
    assert_eq!(model.read(View::User, va), new);
}

#[test]
fn an_initiator_that_missed_a_generation_and_invalidates_one_page() {
    let (model, queue) = machine(3);
    let missed = page(SPACE, 3);
    model.read(View::User, missed);
    let new = model.change(SPACE, missed);
    // CPU 0 is left out of this one, and then initiates.
    let _ = model.on(1, || shoot(queue, model, 3, &[1, 2]));
    assert_eq!(model.read(View::User, missed), new - 1);
    let _ = queue.shoot(&model, request(0), Targets::Active).unwrap();
    assert_eq!(model.read(View::User, missed), new);
}

#[test]
fn a_page_of_the_kernel_for_which_everything_is_invalidated() {
    let (model, queue) = machine(3);
    let request = Request::page(SpaceId::KERNEL, page(SpaceId::KERNEL, 0)).unwrap();
    for cpus in [&[2][..], &[1]] {
        let targets = Targets::Set(set(cpus));
        let _ = queue.shoot(&model, request, targets).unwrap();
    }
    assert_eq!(model.on(1, || model.tlb().global_flushes), 0);
}

#[test]
fn what_has_no_generation_left_undone() {
    let (model, queue) = machine(2);
    let kernel = page(SpaceId::KERNEL, 0);
    let far = SpaceId(SPACES as u32 + 7);
    let requests = [
        Request::global(),
        Request::cache(),
        Request::page(SpaceId::KERNEL, kernel).unwrap(),
        Request::page(far, 0x1000).unwrap(),
    ];
    for request in requests {
        for _ in 0..2 {
            model.clear_log();
            let _ = queue.shoot(&model, request, Targets::All).unwrap();
            let expected = [Point::Invalidate, Point::Acknowledge];
            assert_eq!(done_by_1(model), expected, "{request}");
        }
    }
}
