//! Frames given back, and frames kept for good.

use super::*;
use crate::model::{Model, page};
use crate::{Scoreboard, Settings, SpaceId};
use std::rc::Rc;
use std::vec::Vec;

const SPACE: SpaceId = SpaceId(1);

fn flush(frame: &Rc<()>) -> Flush<Rc<()>> {
    Flush::new(Request::page(SPACE, page(SPACE, 0)).unwrap(), frame.clone())
}

fn machine() -> (Model, &'static dyn Protocol<Model>) {
    let model = Model::steps(2);
    (
        model,
        model.run(Scoreboard::new(&model, 2, Settings::default())),
    )
}

#[test]
fn a_frame_freed_without_a_proof() {
    let frame = Rc::new(());
    let before = leaked();
    drop(flush(&frame));
    assert_eq!(Rc::strong_count(&frame), 2, "leaked, not dropped");
    assert!(leaked() > before, "and counted");
}

#[test]
fn a_frame_freed_after_an_abandoned_shootdown() {
    let (model, protocol) = machine();
    let frame = Rc::new(());
    model.hold(1, true);
    model.set_impatient(true);
    let again = flush(&frame).shoot(protocol, &model).unwrap_err();
    assert_eq!(Rc::strong_count(&frame), 2);
    let again = again.shoot(protocol, &model).unwrap_err();
    model.hold(1, false);
    let (back, proof) = again.shoot(protocol, &model).unwrap();
    assert!(proof.covers(SPACE, page(SPACE, 0)));
    drop(back);
    assert_eq!(Rc::strong_count(&frame), 1, "given back");
    assert_eq!(flush(&frame).abandon(), Abandoned);
    assert_eq!(Rc::strong_count(&frame), 2);
}

#[test]
fn a_flush_that_leaves_an_active_cpu_out() {
    let (model, protocol) = machine();
    let va = page(SPACE, 0);
    let old = model.on(1, || model.read(crate::model::View::User, va));
    model.change(SPACE, va);
    let ((), proof) = Flush::new(Request::space(SPACE), ())
        .shoot(protocol, &model)
        .unwrap();
    assert!(proof.complete());
    assert_ne!(
        model.on(1, || model.read(crate::model::View::User, va)),
        old
    );
}

#[test]
fn frames_gathered_under_a_request_that_leaves_their_page_out() {
    let (model, protocol) = machine();
    let frames: Vec<Rc<()>> = (0..3).map(|_| Rc::new(())).collect();
    let kept = (0..3).map(|index| {
        let request = Request::page(SPACE, page(SPACE, index)).unwrap();
        Flush::new(request, frames[index].clone()).listed()
    });
    let request = Request::range(SPACE, page(SPACE, 1), page(SPACE, 3)).unwrap();
    let before = leaked();
    let (gathered, left_over) = Flush::gather(request, kept);
    assert_eq!(left_over.len(), 1);
    assert_eq!(left_over[0].request().start(), page(SPACE, 0));
    let (back, proof) = gathered.shoot(protocol, &model).unwrap();
    assert_eq!(proof.request(), request);
    assert!(Rc::ptr_eq(&back[0], &frames[1]) && Rc::ptr_eq(&back[1], &frames[2]));
    assert_eq!((back.len(), Rc::strong_count(&frames[0])), (2, 2));
    drop(left_over);
    assert_eq!(Rc::strong_count(&frames[0]), 2, "leaked");
    assert!(leaked() > before);
}
