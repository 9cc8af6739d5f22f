//! What was read through TLBs, and whether it might have been.

use crate::{Event, Kind, Timeline, timeline::Outcome};
use alloc::vec::Vec;
use shootdown::{CpuId, Point, SpaceId};

/// How old the translation is that a read went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// The page table says the same.
    Fresh,
    /// The page table has changed, and no shootdown of that change which asked this CPU, or
    /// everyone, has returned: this CPU may still use it.
    Late,
    /// Such a shootdown has returned: nobody may use it.
    Dead,
}

/// One read that somebody asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Its record.
    pub record: usize,
    /// Who read.
    pub cpu: CpuId,
    /// The page's address.
    pub page: u64,
    /// Its space.
    pub space: SpaceId,
    /// The lower 32 bits of the tag that was read.
    pub seen: u32,
    /// Those of the tag that the page table led to at that time; 0 if to none.
    pub truth: u32,
    /// How old the translation was.
    pub age: Age,
}

/// Every [`Kind::Read`] of the timeline, earliest first.
pub fn readings(timeline: &Timeline) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    for (index, record) in timeline.records().iter().enumerate() {
        if !record.is(Kind::Read) {
            continue;
        }
        let mut reading = Reading {
            record: index,
            cpu: record.cpu,
            page: record.a & !0xfff,
            space: SpaceId((record.a & 0xfff) as u32),
            seen: (record.b >> 32) as u32,
            truth: record.b as u32,
            age: Age::Fresh,
        };
        if reading.seen != reading.truth {
            reading.age = age(timeline, &readings, &reading);
        }
        readings.push(reading);
    }
    readings
}

/// The changes of the reading's page between two records, earliest first.
pub fn changes<'t>(
    timeline: &'t Timeline,
    reading: &Reading,
    from: usize,
    to: usize,
) -> impl Iterator<Item = usize> + 't {
    let (page, space) = (reading.page, u64::from(reading.space.0));
    (from..to).filter(move |&index| {
        let record = &timeline.records()[index];
        let (start, end) = (record.a & !0xfff, record.b & !0xfff);
        record.event == Event::Point(Point::PteStore)
            && record.b & 0xfff == space
            && start <= page
            && (page < end || end == 0)
    })
}

/// How old the translation of a reading is that does not say what the page table says.
fn age(timeline: &Timeline, earlier: &[Reading], reading: &Reading) -> Age {
    // The translation was right when this CPU last read what the table said: the first change
    // after that has made it old. Of a page that it never read, any change may have.
    let right = earlier.iter().rev().find(|other| {
        (other.cpu, other.page, other.space) == (reading.cpu, reading.page, reading.space)
            && other.age == Age::Fresh
    });
    let from = right.map_or(0, |right| right.record);
    let Some(change) = changes(timeline, reading, from, reading.record).next() else {
        return Age::Late;
    };
    let returned = timeline.shootdowns().iter().any(|shootdown| {
        shootdown.outcome == Outcome::Acknowledged
            && shootdown.end.is_some_and(|end| end < reading.record)
            && shootdown
                .asked
                .is_none_or(|asked| asked.contains(reading.cpu))
            && shootdown.stores.contains(&change)
    });
    if returned { Age::Dead } else { Age::Late }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::scene::{Asked, PAGE, SPACE, Scene};

    fn ages(scene: &Scene) -> Vec<Age> {
        let timeline = Timeline::new(scene.records.clone());
        readings(&timeline).iter().map(|read| read.age).collect()
    }

    /// CPU 2 reads `seen` where the page table says `truth`.
    fn read(scene: &mut Scene, seen: u64, truth: u64) {
        scene.push(2, Kind::Read, PAGE | SPACE, seen << 32 | truth);
    }

    #[test]
    fn a_late_translation_that_counts_as_dead() {
        let mut scene = Scene::entered();
        read(&mut scene, 1, 1);
        scene.ask(&Asked::USUAL);
        read(&mut scene, 1, 2);
        assert_eq!(ages(&scene), [Age::Fresh, Age::Late]);
    }

    #[test]
    fn a_dead_translation_that_counts_as_late() {
        let mut scene = Scene::entered();
        read(&mut scene, 1, 1);
        scene.ask(&Asked::USUAL).end(&Asked::USUAL);
        read(&mut scene, 1, 2);
        read(&mut scene, 2, 2);
        assert_eq!(ages(&scene), [Age::Fresh, Age::Dead, Age::Fresh]);
        // Other pages' changes are none of its business, nor other spaces'.
        for (index, record) in scene.records.clone().iter().enumerate() {
            if record.event == Event::Point(Point::PteStore) {
                scene.records[index].b ^= 1;
            }
        }
        assert_eq!(ages(&scene), [Age::Fresh, Age::Late, Age::Fresh]);
    }

    #[test]
    fn a_shootdown_of_others_that_makes_a_translation_dead() {
        for (asked, age) in [(0b010, Age::Late), (0b100, Age::Dead)] {
            let mut scene = Scene::entered();
            read(&mut scene, 1, 1);
            scene.ask(&Asked::USUAL);
            let holders = scene.records.iter().position(|it| it.is(Kind::Holders));
            let mut stated = scene.records[holders.unwrap()];
            (stated.event, stated.a) = (Kind::Asked.into(), asked);
            scene.records.insert(holders.unwrap() + 1, stated);
            scene.end(&Asked::USUAL);
            read(&mut scene, 1, 2);
            assert_eq!(ages(&scene), [Age::Fresh, age], "{asked:b}");
        }
    }

    #[test]
    fn an_unshot_change_behind_one_that_was_shot() {
        let mut scene = Scene::entered();
        read(&mut scene, 1, 1);
        scene.ask(&Asked::USUAL).end(&Asked::USUAL);
        scene.push(0, Point::PteStore, PAGE | 1, (PAGE + 4096) | SPACE);
        read(&mut scene, 1, 3);
        assert_eq!(ages(&scene), [Age::Fresh, Age::Dead]);
    }
}
