//! PCIDs handed out, kept and taken back.

use super::*;
use crate::Mode;
use crate::model::{Model, View, page};

fn contexts(limit: u16) -> (Model, Contexts<Model>) {
    let model = Model::with_mode(2, Mode::Pcid);
    (model, Contexts::new(&model, 8, 2, limit))
}

#[test]
fn a_pcid_kept_after_it_was_given_to_another_space() {
    let (model, contexts) = contexts(4);
    let fresh = |space| {
        let Activation { pcid, keep } = contexts.activate(&model, SpaceId(space));
        assert!(!keep, "space {space}");
        pcid.0
    };
    let kept = |space| {
        let Activation { pcid, keep } = contexts.activate(&model, SpaceId(space));
        assert!(keep, "space {space}");
        pcid.0
    };
    assert_eq!([fresh(1), fresh(2), fresh(3)], [1, 2, 3]);
    assert_eq!([kept(1), kept(2), kept(3)], [1, 2, 3]);
    assert_eq!(fresh(4), 1, "a new generation");
    assert_eq!(
        [fresh(2), fresh(1)],
        [2, 3],
        "whatever they had is no longer theirs"
    );
    assert_eq!([kept(4), kept(2), kept(1)], [1, 2, 3]);
    assert_eq!(fresh(3), 1);
}

#[test]
fn a_cleared_generation_that_keeps_old_translations() {
    let (model, contexts) = contexts(0x800);
    let space = SpaceId(1);
    for index in 0..2 {
        model.on(index, || contexts.activate(&model, space));
    }
    contexts.forget(space);
    for index in 0..2 {
        let activation = model.on(index, || contexts.activate(&model, space));
        assert!(!activation.keep, "CPU {index}");
        assert!(model.on(index, || contexts.activate(&model, space)).keep);
    }
}

#[test]
fn a_kernel_that_loses_its_pcid() {
    let (model, contexts) = contexts(2);
    contexts.forget(SpaceId::KERNEL);
    let kernel = Activation {
        pcid: Pcid::KERNEL,
        keep: true,
    };
    assert_eq!(contexts.activate(&model, SpaceId::KERNEL), kernel);
    assert_eq!(contexts.activate(&model, SpaceId(1)).pcid, Pcid(1));
    assert_eq!(
        contexts.activate(&model, SpaceId(2)).pcid,
        Pcid(1),
        "the only one"
    );
}

#[test]
fn a_generation_that_wraps_to_cleared() {
    let (model, contexts) = contexts(2);
    contexts.allocators[0].generation.store(u32::MAX, Relaxed);
    contexts.forget(SpaceId(1));
    assert!(!contexts.activate(&model, SpaceId(2)).keep);
    assert!(!contexts.activate(&model, SpaceId(3)).keep);
    assert_eq!(contexts.allocators[0].generation.peek(Relaxed), 1);
    assert!(!contexts.activate(&model, SpaceId(1)).keep);
}

#[test]
fn translations_of_one_space_seen_in_another() {
    for mode in Mode::ALL {
        // The model's PCIDs run out at the third space, and there are three.
        let model = Model::with_mode(1, mode);
        for round in 0..20 {
            for space in [1, 2, 3, 2, 1, 3].map(SpaceId) {
                model.enter(space);
                for view in [View::Kernel, View::User] {
                    let seen = model.read(view, page(space, round % 4));
                    assert_eq!(seen, u64::from(space.0) * 1_000_000, "{mode}");
                }
            }
        }
    }
}
