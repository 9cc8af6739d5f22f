use super::scene::{Asked, PAGE, SPACE, Scene, VECTOR, head, slot};
use super::*;
use crate::{Kind, Record};
use shootdown::{Operation, Point, SpaceId};

const USUAL: Asked = Asked::USUAL;

#[test]
fn a_shootdown_cut_wrongly() {
    let timeline = Scene::usual().timeline();
    let [shootdown] = timeline.shootdowns() else {
        panic!("{:?}", timeline.shootdowns());
    };
    assert_eq!(shootdown.initiator.index(), 0);
    assert_eq!(shootdown.outcome, Outcome::Acknowledged);
    assert_eq!(shootdown.generation, Some(1));
    assert_eq!(shootdown.zeroed.bits(), 0b110);
    assert_eq!(shootdown.sent.bits(), 0b110);
    assert_eq!(shootdown.stores.len(), 1);
    assert_eq!(shootdown.services.len(), 2);
    assert!(
        timeline
            .arrows()
            .iter()
            .all(|arrow| arrow.handler.is_some() && !arrow.coalesced)
    );
}

#[test]
fn interrupts_that_coalesce_counted_as_two_runs() {
    let other = Asked {
        initiator: 1,
        targets: 0b100,
        generation: 9,
        pages: 1,
    };
    let first = Asked {
        targets: 0b100,
        ..USUAL
    };
    let mut scene = Scene::entered();
    scene.ask(&first).ask(&other).enter(2);
    scene.serve(2, &other).serve(2, &first).leave(2);
    let timeline = scene.timeline();
    let coalesced = timeline
        .arrows()
        .iter()
        .map(|arrow| (arrow.handler, arrow.coalesced));
    assert!(coalesced.eq([(Some(0), false), (Some(0), true)]));
    let served = timeline.services().iter().map(|service| service.shootdown);
    assert!(served.eq([Some(1), Some(0)]));
}

/// As in the global lock: one request's words for all, one slot a target for all.
#[test]
fn words_that_initiators_share_taken_for_one_initiators() {
    let shared = |record: &mut Record| {
        record.a = match record.event {
            event if event == Point::Acknowledge.into() => slot(2, 99),
            event if event == Point::Copy.into() || event == Point::Publish.into() => head(99),
            _ => record.a,
        };
    };
    let asked = |initiator, generation| Asked {
        initiator,
        targets: 0b100,
        generation,
        pages: 1,
    };
    let mut scene = Scene::entered();
    for (initiator, generation) in [(0, 1), (1, 2), (0, 3)] {
        scene.shootdown(&asked(initiator, generation));
    }
    scene.records.iter_mut().for_each(shared);
    scene.records.retain(|record| !record.is(Point::Zero));
    let timeline = scene.timeline();
    let served = timeline.services().iter().map(|service| service.shootdown);
    assert!(served.eq([Some(0), Some(1), Some(2)]));
}

#[test]
fn a_late_service_given_to_the_next_shootdown() {
    let mut scene = Scene::entered();
    scene.ask(&USUAL).enter(1).serve(1, &USUAL).leave(1);
    scene.push(0, Kind::End, 1, 0);
    let next = Asked {
        generation: 2,
        targets: 0b010,
        ..USUAL
    };
    scene.ask(&next).enter(2).serve(2, &USUAL).leave(2);
    scene.enter(1).serve(1, &next).leave(1).end(&next);
    let timeline = scene.timeline();
    let services = timeline
        .shootdowns()
        .iter()
        .map(|shootdown| shootdown.services.len());
    assert!(services.eq([2, 1]));
    assert_eq!(timeline.shootdowns()[0].outcome, Outcome::Abandoned);
}

#[test]
fn a_handlers_record_taken_for_the_initiators() {
    let mut scene = Scene::entered();
    scene.ask(&USUAL);
    let other = Asked {
        initiator: 1,
        targets: 0b001,
        generation: 5,
        pages: 2,
    };
    scene
        .ask(&other)
        .enter(0)
        .serve(0, &other)
        .push(0, Kind::Nmi, 0, 0)
        .leave(0)
        .end(&other);
    scene.end(&USUAL);
    let timeline = scene.timeline();
    let steps = &timeline.shootdowns()[0].steps;
    let instructions = steps
        .iter()
        .filter(|&&step| timeline.records()[step].is(Kind::Invlpg));
    assert_eq!(instructions.count(), 1);
    let nmi = |&step: &usize| timeline.records()[step].is(Kind::Nmi);
    assert!(!steps.iter().any(nmi));
    assert_eq!(timeline.services()[0].executed.len(), 2);
    assert_eq!(timeline.handlers()[0].vector, VECTOR);
}

#[test]
fn an_instruction_credited_with_more_than_it_does() {
    let record = |kind: Kind, a| Record {
        cpu: CpuId::BOOT,
        number: 0,
        tsc: 0,
        event: kind.into(),
        a,
        b: SPACE,
    };
    let range = |operation, start, end| Range {
        operation: Some(operation),
        space: SpaceId(SPACE as u32),
        start,
        end,
    };
    let covered = |executed: &[Record], range: Range| covers(executed.iter().enumerate(), &range);
    let two = range(Operation::Range, PAGE, PAGE + 0x2000);
    let page = |number: u64| record(Kind::Invlpg, PAGE + number * 4096);
    assert_eq!(covered(&[page(1), page(0)], two), Some(1));
    assert_eq!(covered(&[page(0), page(0), page(2)], two), None);
    assert_eq!(covered(&[page(0), record(Kind::LoadCr3, 0)], two), Some(1));
    assert_eq!(covered(&[record(Kind::FlushCaches, 0)], two), None);
    let all = range(Operation::Global, 0, 0);
    assert_eq!(covered(&[record(Kind::LoadCr3, 0), page(0)], all), None);
    assert_eq!(covered(&[record(Kind::FlushGlobal, 0)], all), Some(0));
    let space = range(Operation::Space, 0, 0);
    assert_eq!(covered(&[page(0)], space), None);
    assert_eq!(covered(&[record(Kind::LoadCr3, 0)], space), Some(0));
    let kernel = Range {
        space: SpaceId::KERNEL,
        ..two
    };
    assert_eq!(covered(&[record(Kind::LoadCr3, 0)], kernel), None);
    // The last page there is ends at 0.
    let last = range(Operation::Page, !0xfff, 0);
    assert_eq!(covered(&[record(Kind::Invlpg, !0xfff)], last), Some(0));
    let caches = range(Operation::Cache, 0, 0);
    assert_eq!(covered(&[record(Kind::FlushGlobal, 0)], caches), None);
    assert_eq!(covered(&[record(Kind::FlushCaches, 0)], caches), Some(0));
}

#[test]
fn ranges_that_meet_without_a_common_page() {
    let range = |start, end| Range {
        operation: Some(Operation::Range),
        space: SpaceId(1),
        start,
        end,
    };
    let (low, high) = (range(0x1000, 0x3000), range(0x3000, 0x5000));
    assert!(!low.meets(&high) && !high.meets(&low));
    assert!(range(0x2000, 0x4000).meets(&low) && low.meets(&range(0x2000, 0x4000)));
    let whole = Range {
        operation: Some(Operation::Space),
        ..low
    };
    assert!(whole.includes(&low) && !low.includes(&whole) && low.includes(&range(0x2000, 0x3000)));
    // One page is asked for, whatever a half rewritten end says.
    let page = Range {
        operation: Some(Operation::Page),
        ..range(0x1000, 0x9000)
    };
    assert!(page.includes(&range(0x1000, 0x2000)) && !page.includes(&high));
    assert!(!low.includes(&high) && whole.meets(&high) && high.meets(&whole));
}
