//! Each check, by evidence changed to break just that.

use super::*;
use crate::timeline::scene::{Asked, PAGE, SPACE, Scene, VECTOR, cpu};
use crate::{Defect, Event, Record};
use shootdown::Point;
use std::format;
use std::vec::Vec;

fn verdict(scene: &Scene) -> Verdict {
    judge(&scene.evidence(), &scene.timeline())
}

/// The numbers of the invariants found broken, each once.
fn broken(scene: &Scene) -> Vec<u8> {
    let mut numbers: Vec<u8> = verdict(scene)
        .findings
        .iter()
        .map(|finding| finding.invariant)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn usual() -> Scene {
    Scene::usual()
}

const ASKED: Asked = Asked::USUAL;

/// Two shootdowns, the first abandoned for want of CPU 2.
fn abandoned(of_the_second: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = Scene::entered();
    scene.ask(&ASKED).enter(1).serve(1, &ASKED).leave(1);
    scene.push(0, Point::Wait, 0, 0);
    of_the_second(&mut scene);
    scene.push(0, Kind::End, 1, 0);
    scene
}

#[test]
fn a_right_run_found_wrong() {
    let mut scene = usual();
    let second = Asked {
        generation: 2,
        pages: 3,
        ..ASKED
    };
    scene.shootdown(&second);
    let other = Asked {
        initiator: 1,
        targets: 0b101,
        generation: 1,
        pages: 1,
    };
    scene.shootdown(&other);
    let verdict = verdict(&scene);
    assert!(verdict.is_clean(), "{:?}", verdict.findings);
    for held in [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 17, 18, 19] {
        assert_eq!(verdict.status(held), Status::Held, "I{held}");
    }
    for unseen in [9, 13, 20] {
        assert_eq!(verdict.status(unseen), Status::NotVisible, "I{unseen}");
    }
}

#[test]
fn two_initiators_whose_interrupts_coalesce_found_wrong() {
    let mut scene = Scene::entered();
    let (zero, one) = (
        Asked {
            targets: 0b100,
            ..ASKED
        },
        Asked {
            initiator: 1,
            targets: 0b100,
            generation: 9,
            pages: 1,
        },
    );
    scene.ask(&zero).ask(&one).enter(2);
    scene.serve(2, &zero).serve(2, &one).leave(2);
    // The second interrupt was pending and finds nothing left to do.
    scene.enter(2).leave(2).end(&zero).end(&one);
    // Neither initiator asked the other: leave those out of the books.
    for record in &mut scene.records {
        if record.is(Kind::Holders) {
            record.a = 0b100;
        }
    }
    let found: Vec<u8> = broken(&scene);
    // That CPUs 0 and 1 are in force and left out is all there is to find.
    assert_eq!(found, [8]);
    let verdict = verdict(&scene);
    assert!(verdict.status(6) == Status::Held && verdict.status(14) == Status::Held);
}

#[test]
fn i1_a_request_written_after_its_zero() {
    let scene = usual();
    let (publish, zero) = (
        scene.find(0, Point::Publish, 0),
        scene.find(0, Point::Zero, 1),
    );
    assert_eq!(broken(&scene.moved(publish, zero + 1)), [1]);
}

#[test]
fn i1_a_target_that_performed_another_request() {
    let scene = usual().with(2, Point::Invalidate, 0, |record| record.a += 0x1000);
    assert!(broken(&scene).contains(&1));
}

#[test]
fn i2_a_target_without_its_interrupt() {
    let mut scene = Scene::entered();
    scene.ask(&ASKED).enter(1).serve(1, &ASKED).leave(1);
    scene.push(0, Kind::End, 1, 0);
    assert_eq!(broken(&scene.without(0, Kind::Ipi, 1)), [2]);
}

#[test]
fn i3_a_wait_that_ends_before_the_acknowledgement() {
    let scene = usual();
    let (end, acknowledge) = (
        scene.find(0, Kind::End, 0),
        scene.find(2, Point::Acknowledge, 0),
    );
    assert_eq!(broken(&scene.moved(end, acknowledge)), [3]);
    let never = usual().without(2, Point::Acknowledge, 0);
    assert!(broken(&never).contains(&3));
}

#[test]
fn i3_an_abandoned_request_overwritten() {
    let scene = |served: bool| {
        let mut scene = abandoned(|_| {});
        if served {
            scene.enter(2).serve(2, &ASKED).leave(2);
        }
        scene.shootdown(&Asked {
            generation: 2,
            ..ASKED
        });
        scene
    };
    assert!(broken(&scene(false)).contains(&3));
    assert!(!broken(&scene(true)).contains(&3));
}

#[test]
fn i4_an_acknowledgement_before_the_copy() {
    let scene = usual();
    let (copy, acknowledge) = (
        scene.find(1, Point::Copy, 0),
        scene.find(1, Point::Acknowledge, 0),
    );
    assert_eq!(broken(&scene.moved(copy, acknowledge + 1)), [4]);
}

#[test]
fn i5_a_target_that_invalidates_nothing() {
    assert_eq!(broken(&usual().without(2, Kind::Invlpg, 0)), [5]);
    let initiator = usual().without(0, Kind::Invlpg, 0);
    assert_eq!(broken(&initiator), [5]);
}

#[test]
fn i5_a_target_that_resumes_before_it_invalidates() {
    let scene = usual();
    let (invlpg, leave) = (
        scene.find(2, Kind::Invlpg, 0),
        scene.find(2, Kind::Leave, 0),
    );
    let late = scene.moved(invlpg, leave + 1);
    assert_eq!(broken(&late), [5]);
    // The same after the shootdown returned: now the initiator relies on it.
    let end = late.find(0, Kind::End, 0);
    let relied = late.find(2, Point::Acknowledge, 0) + 1;
    let late = late.moved(end, relied);
    let findings = verdict(&late).findings;
    let in_time = "before its handler ended; it did 10 ticks later";
    assert!(
        findings
            .iter()
            .any(|finding| finding.text.contains(in_time)),
        "{findings:?}"
    );
    // As the scoreboard does: acknowledged, returned, invalidated, resumed.
    let early = usual();
    let (end, invlpg) = (early.find(0, Kind::End, 0), early.find(2, Kind::Invlpg, 0));
    assert_eq!(broken(&early.moved(end, invlpg)), []);
}

#[test]
fn i5_a_stale_read() {
    let mut scene = usual();
    scene.push(1, Kind::Stale, PAGE | SPACE, 1 << 32 | 2);
    assert_eq!(broken(&scene), [5]);
    let text = &verdict(&scene).findings[0].text;
    assert!(
        text.contains("to read 0x2 at 0x400000 of space 1, it read 0x1"),
        "{text}"
    );
}

#[test]
fn i6_a_handler_that_leaves_a_request_behind() {
    let mut scene = Scene::entered();
    let other = Asked {
        initiator: 1,
        targets: 0b101,
        generation: 4,
        pages: 1,
    };
    scene.ask(&ASKED).ask(&other);
    scene.enter(2).serve(2, &ASKED).leave(2);
    scene.push(1, Kind::End, 1, 0);
    assert!(broken(&scene).contains(&6));
}

#[test]
fn i7_two_that_wait_for_each_other() {
    let mut scene = Scene::entered();
    let one = |initiator: usize| Asked {
        initiator,
        targets: 0b11 & !(1 << initiator),
        generation: 1,
        pages: 1,
    };
    scene.ask(&one(0)).ask(&one(1));
    scene.push(0, Kind::End, 1, 0).push(1, Kind::End, 1, 0);
    assert_eq!(broken(&scene), [7]);
}

#[test]
fn i8_a_holder_that_nobody_asks() {
    let mut scene = Scene::entered();
    scene.shootdown(&Asked {
        targets: 0b010,
        ..ASKED
    });
    assert_eq!(broken(&scene), [8]);
    // It has left: its CR3 load forgot everything.
    let mut left = Scene::entered();
    left.push(2, Kind::LoadCr3, 0, 0);
    left.shootdown(&Asked {
        targets: 0b010,
        ..ASKED
    });
    assert_eq!(broken(&left), []);
}

#[test]
fn i8_a_cpu_in_the_space_and_not_in_its_set() {
    let scene = usual().with(0, Kind::Holders, 0, |record| record.a = 0b011);
    assert_eq!(broken(&scene), [8]);
}

#[test]
fn a_shootdown_of_a_stated_set_held_to_more() {
    let mut scene = Scene::entered();
    let some = Asked {
        targets: 0b010,
        ..ASKED
    };
    scene.shootdown(&some);
    let holders = scene.find(0, Kind::Holders, 0);
    scene.push(0, Kind::Asked, 0b011, 0);
    let asked = scene.records.len() - 1;
    assert_eq!(broken(&scene.moved(asked, holders + 1)), []);
}

#[test]
fn i10_an_interrupt_in_the_middle_of_a_switch() {
    let mut scene = usual();
    scene.push(2, Point::Activate, 0, 4);
    scene.push(2, Kind::Enter, VECTOR, 0).leave(2);
    scene.push(2, Kind::LoadCr3, 2, 0);
    let found = broken(&scene);
    assert!(found.contains(&10), "{found:?}");
}

#[test]
fn i11_an_interrupt_to_somebody_who_was_not_asked() {
    let scene = usual().without(0, Point::Zero, 1);
    assert!(broken(&scene).contains(&11));
}

#[test]
fn i12_a_generation_of_zero_or_twice() {
    let zero = usual().with(0, Kind::End, 0, |record| record.b = 0);
    assert!(broken(&zero).contains(&12));
    let mut twice = usual();
    twice.shootdown(&ASKED);
    assert_eq!(broken(&twice), [12]);
}

#[test]
fn i14_an_interrupt_that_nobody_sent() {
    let mut scene = usual();
    scene.enter(1).leave(1);
    assert_eq!(broken(&scene), [14]);
}

#[test]
fn i15_a_stopped_cpu_that_runs_on_with_what_it_missed() {
    let scene = |flushes: bool| {
        let mut scene = Scene::entered();
        scene.push(2, Kind::Stop, 0, 0);
        scene.shootdown(&Asked {
            targets: 0b010,
            ..ASKED
        });
        if flushes {
            scene.push(2, Kind::FlushGlobal, 0, 0);
        }
        scene.push(2, Kind::Resume, 0, 0);
        scene
    };
    assert_eq!(broken(&scene(false)), [15]);
    assert_eq!(broken(&scene(true)), []);
}

#[test]
fn i16_an_instruction_that_does_not_do_what_was_asked() {
    let whole_space = |record: &mut Record| {
        (record.a, record.b) = (0, SPACE);
    };
    let mut scene = usual();
    for (index, event) in [
        (0, Event::from(Kind::Begin)),
        (0, Point::LocalInvalidate.into()),
        (1, Point::Invalidate.into()),
        (2, Point::Invalidate.into()),
    ] {
        scene = scene.with(index, event, 0, whole_space);
    }
    let reload = |record: &mut Record| {
        record.event = Kind::LoadCr3.into();
        (record.a, record.b) = (SPACE, 0);
    };
    let right = scene
        .with(0, Kind::Invlpg, 0, reload)
        .with(1, Kind::Invlpg, 0, reload);
    assert_eq!(broken(&right), [16]);
    assert_eq!(broken(&right.with(2, Kind::Invlpg, 0, reload)), []);
}

#[test]
fn i17_a_range_without_its_last_page() {
    let mut scene = Scene::entered();
    scene.shootdown(&Asked { pages: 3, ..ASKED });
    assert_eq!(broken(&scene), []);
    assert_eq!(broken(&scene.without(2, Kind::Invlpg, 2)), [17]);
}

#[test]
fn i18_an_interrupt_never_taken_or_taken_within_another() {
    let scene = abandoned(|_| {});
    assert_eq!(broken(&scene), [18]);
    let mut nested = usual();
    nested.ask(&Asked {
        generation: 2,
        ..ASKED
    });
    nested.enter(1).enter(1);
    let found = broken(&nested);
    assert!(found.contains(&18), "{found:?}");
    // A parked CPU is no culprit.
    let parked = abandoned(|scene| {
        scene.push(2, Kind::Park, 0, 0);
    });
    assert_eq!(broken(&parked), []);
}

#[test]
fn i19_a_switch_of_threads_or_cpus_in_the_middle() {
    let mut scene = usual();
    let at = scene.find(0, Point::Wait, 0);
    scene.push(0, Kind::Switch, 3, 0);
    let switch = scene.records.len() - 1;
    assert_eq!(broken(&scene.moved(switch, at)), [19]);
    let mut elsewhere = usual().with(0, Kind::End, 0, |record| record.cpu = cpu(1));
    elsewhere.shootdown(&Asked {
        generation: 2,
        ..ASKED
    });
    assert!(broken(&elsewhere).contains(&19));
}

#[test]
fn a_violation_of_the_kernels_own_is_counted() {
    let mut scene = usual();
    scene.push(1, Kind::Violation, 13, 0);
    assert_eq!(broken(&scene), [13]);
}

#[test]
fn what_lost_records_may_have_shown_found_broken_or_held() {
    let scene = usual().without(2, Kind::Invlpg, 0);
    let mut evidence = scene.evidence();
    evidence.defects.push(Defect::Lost {
        cpu: cpu(2),
        from: 7,
        to: 7,
    });
    let verdict = judge(&evidence, &Timeline::new(evidence.records.clone()));
    assert!(verdict.findings.is_empty() && !verdict.is_clean());
    assert_eq!(verdict.status(5), Status::NotJudged);
    let mut truncated = scene.evidence();
    truncated.defects.push(Defect::Truncated);
    let verdict = judge(&truncated, &Timeline::new(truncated.records.clone()));
    assert_eq!(verdict.status(5), Status::NotJudged);
}

#[test]
fn a_fault_that_is_not_named_beside_what_it_caused() {
    let mut scene = usual().without(2, Kind::Invlpg, 0);
    let at = scene.find(2, Point::Invalidate, 0);
    scene.push(2, Kind::Fault, 0, (Point::Invalidate as u64) << 8);
    let fault = scene.records.len() - 1;
    let scene = scene.moved(fault, at + 1);
    let verdict = verdict(&scene);
    let fault = verdict.findings[0].fault.unwrap();
    assert!(scene.timeline().records()[fault].is(Kind::Fault));
}

#[test]
fn an_invariant_out_of_its_row() {
    for (index, invariant) in INVARIANTS.iter().enumerate() {
        assert_eq!(usize::from(invariant.number), index + 1);
        assert!(!invariant.rule.is_empty());
    }
    assert_eq!(format!("{}", Status::Broken), "BROKEN");
}
