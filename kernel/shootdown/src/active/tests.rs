//! Entering and leaving spaces.

use super::*;
use crate::model::{Event, Model, View, page, set};
use crate::{Mode, Point, Protocol, Request, Scoreboard, Settings, SpaceId, Targets};

const SPACE: SpaceId = SpaceId(1);

#[test]
fn an_active_bit_that_is_set_too_late_or_cleared_too_early() {
    let model = Model::steps(2);
    let (old, new) = (ActiveSet::new(&model), ActiveSet::new(&model));
    let enter_new = |from, to| {
        let mut loaded = false;
        activate(&model, from, to, || {
            let bits = (old.snapshot(), new.snapshot());
            assert_eq!(bits, (set(&[0]), set(&[0])), "both, while CR3 is loaded");
            loaded = true;
        });
        assert!(loaded);
    };
    model.mask(true);
    activate(&model, None, Some(&old), || ());
    enter_new(Some(&old), Some(&new));
    assert_eq!((old.snapshot(), new.snapshot()), (CpuSet::EMPTY, set(&[0])));
    activate(&model, Some(&new), Some(&new), || {
        assert_eq!(new.snapshot(), set(&[0]))
    });
    assert_eq!(
        new.snapshot(),
        set(&[0]),
        "still in the space it never left"
    );
    activate(&model, Some(&new), None, || ());
    assert_eq!(new.snapshot(), CpuSet::EMPTY);
}

#[test]
#[should_panic(expected = "CPU 0: interrupts are on (rule I10")]
fn a_switch_that_an_interrupt_can_split() {
    let model = Model::steps(1);
    activate(&model, None, None, || ());
}

#[test]
fn a_cpu_that_enters_between_the_page_table_store_and_the_snapshot() {
    // Whichever comes first, the CPU is asked or it walks the new table (I8).
    for point in [Point::Pin, Point::Publish, Point::Send, Point::Wait] {
        for mode in Mode::ALL {
            let model = Model::with_mode(3, mode);
            let board = model.run(Scoreboard::new(&model, 3, Settings::default()));
            let va = page(SPACE, 0);
            model.on(0, || model.enter(SPACE));
            model.on(2, || model.enter(SPACE));
            model.on(1, || {
                model.enter(SPACE);
                model.read(View::User, va);
                model.enter(SpaceId(2));
            });
            let new = model.change(SPACE, va);
            model.at(0, point, move || model.on(1, || model.enter(SPACE)));
            let _ = board.shoot(&model, Request::page(SPACE, va).unwrap(), Targets::Active);
            let seen = model.on(1, || model.read(View::User, va));
            assert_eq!(seen, new, "{mode}, entered at {point}");
        }
    }
}

#[test]
fn an_active_set_read_before_the_fence() {
    for mode in Mode::ALL {
        let model = Model::with_mode(2, mode);
        let board = model.run(Scoreboard::new(&model, 2, Settings::default()));
        let _ = board.shoot(&model, Request::space(SPACE), Targets::Active);
        let place = |event| {
            model
                .log()
                .into_iter()
                .position(|logged| logged == (0, event))
        };
        let (fence, active) = (place(Event::Fence).unwrap(), place(Event::Active).unwrap());
        assert!(fence < active, "{mode}");
        if let Some(forget) = place(Event::Forget) {
            assert!(
                forget < fence,
                "{mode}: the cleared generations are stores too"
            );
        }
        assert_eq!(place(Event::Forget).is_some(), mode.has_pcid());
    }
}
