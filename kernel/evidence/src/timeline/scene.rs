//! Records of runs that never were: what the kernel would have recorded, to be changed by tests.

use crate::{Event, Evidence, Kind, Place, Purpose, Record, Timeline};
use shootdown::{CpuId, CpuSet, Operation, Point};
use std::vec::Vec;

/// The vector of a shootdown.
pub const VECTOR: u64 = 244;
/// The page that scenes are about, and their space.
pub const PAGE: u64 = 0x40_0000;
pub const SPACE: u64 = 1;

pub fn cpu(index: usize) -> CpuId {
    CpuId::new(index).unwrap()
}

pub fn slot(target: usize, initiator: usize) -> u64 {
    let place = Place {
        purpose: Purpose::Slot,
        target: CpuId::new(target),
        initiator: CpuId::new(initiator),
    };
    place.packed()
}

pub fn head(initiator: usize) -> u64 {
    let place = Place {
        purpose: Purpose::Head,
        target: None,
        initiator: CpuId::new(initiator),
    };
    place.packed()
}

/// Records in the making: each comes ten ticks after the last.
#[derive(Clone, Default)]
pub struct Scene {
    pub records: Vec<Record>,
}

/// What a scene's shootdown is.
#[derive(Clone, Copy)]
pub struct Asked {
    pub initiator: usize,
    pub targets: u64,
    pub generation: u64,
    pub pages: u64,
}

impl Asked {
    /// CPU 0 asks CPUs 1 and 2 for one page.
    pub const USUAL: Asked = Asked {
        initiator: 0,
        targets: 0b110,
        generation: 1,
        pages: 1,
    };

    fn operands(&self) -> (u64, u64) {
        let operation = if self.pages == 1 {
            Operation::Page
        } else {
            Operation::Range
        };
        (PAGE | operation as u64, (PAGE + self.pages * 4096) | SPACE)
    }
}

impl Scene {
    pub fn push(&mut self, index: usize, event: impl Into<Event>, a: u64, b: u64) -> &mut Self {
        self.records.push(Record {
            cpu: cpu(index),
            number: 0,
            tsc: 1000 + 10 * self.records.len() as u64,
            event: event.into(),
            a,
            b,
        });
        self
    }

    /// CPUs 0 to 2 enter the space.
    pub fn entered() -> Scene {
        let mut scene = Scene::default();
        for index in 0..3 {
            scene.push(index, Point::Activate, 0, 1 << index);
            scene.push(index, Kind::LoadCr3, SPACE, 0);
        }
        scene
    }

    /// The initiator, until its interrupts are sent.
    pub fn ask(&mut self, asked: &Asked) -> &mut Self {
        let (me, (a, b)) = (asked.initiator, asked.operands());
        self.push(me, Point::PteStore, PAGE | 1, b);
        self.push(me, Kind::Begin, a, b);
        self.push(me, Kind::Holders, 0b111, 0b111);
        self.push(me, Point::Pin, 0, 0);
        self.push(me, Point::Publish, head(me), PAGE);
        self.push(me, Point::Generation, 0, asked.generation);
        for target in CpuSet::from_bits(asked.targets) {
            self.push(me, Point::Zero, slot(target.index(), me), 0);
        }
        self.push(me, Point::Send, asked.targets, 0);
        for target in CpuSet::from_bits(asked.targets) {
            self.push(me, Kind::Ipi, CpuSet::only(target).bits(), VECTOR);
        }
        self.push(me, Point::LocalInvalidate, a, b);
        self.invlpg(me, asked)
    }

    pub fn invlpg(&mut self, index: usize, asked: &Asked) -> &mut Self {
        for page in 0..asked.pages {
            self.push(index, Kind::Invlpg, PAGE + page * 4096, SPACE);
        }
        self
    }

    pub fn enter(&mut self, target: usize) -> &mut Self {
        self.push(target, Kind::Enter, VECTOR, 1)
    }

    /// A target serves the request.
    pub fn serve(&mut self, target: usize, asked: &Asked) -> &mut Self {
        let (a, b) = asked.operands();
        self.push(target, Point::Notice, 0, 0);
        self.push(target, Point::Copy, head(asked.initiator), PAGE);
        let slot = slot(target, asked.initiator);
        self.push(target, Point::Acknowledge, slot, asked.generation);
        self.push(target, Point::Invalidate, a, b);
        self.invlpg(target, asked)
    }

    pub fn leave(&mut self, target: usize) -> &mut Self {
        self.push(target, Point::Return, 0, 0);
        self.push(target, Kind::Leave, VECTOR, 1)
    }

    pub fn end(&mut self, asked: &Asked) -> &mut Self {
        for _ in CpuSet::from_bits(asked.targets) {
            self.push(asked.initiator, Point::Wait, 0, 0);
            self.push(asked.initiator, Point::Done, 0, 0);
        }
        self.push(asked.initiator, Kind::End, 0, asked.generation)
    }

    /// A whole shootdown as it should be.
    pub fn shootdown(&mut self, asked: &Asked) -> &mut Self {
        self.ask(asked);
        for target in CpuSet::from_bits(asked.targets) {
            let target = target.index();
            self.enter(target).serve(target, asked).leave(target);
        }
        self.end(asked)
    }

    /// The usual one, in the space.
    pub fn usual() -> Scene {
        let mut scene = Scene::entered();
        scene.shootdown(&Asked::USUAL);
        scene
    }

    /// The index of the `nth` record of that CPU and event.
    pub fn find(&self, index: usize, event: impl Into<Event>, nth: usize) -> usize {
        let event = event.into();
        let mut found = (0..self.records.len())
            .filter(|&at| self.records[at].cpu == cpu(index) && self.records[at].event == event);
        found.nth(nth).expect("the scene has such a record")
    }

    /// Takes that record out.
    pub fn without(mut self, index: usize, event: impl Into<Event>, nth: usize) -> Scene {
        let at = self.find(index, event, nth);
        self.records.remove(at);
        self
    }

    /// Changes that record.
    pub fn with(
        mut self,
        index: usize,
        event: impl Into<Event>,
        nth: usize,
        change: impl FnOnce(&mut Record),
    ) -> Scene {
        let at = self.find(index, event, nth);
        change(&mut self.records[at]);
        self
    }

    /// Moves that record to where `to` is, an index before the move.
    pub fn moved(mut self, from: usize, to: usize) -> Scene {
        let record = self.records.remove(from);
        self.records
            .insert(if to > from { to - 1 } else { to }, record);
        self
    }

    /// The records as they would be read: numbered and timed as they stand.
    pub fn evidence(&self) -> Evidence {
        let mut records = self.records.clone();
        let mut totals = std::vec![0; 3];
        for (at, record) in records.iter_mut().enumerate() {
            record.tsc = 1000 + 10 * at as u64;
            record.number = totals[record.cpu.index()];
            totals[record.cpu.index()] += 1;
        }
        Evidence {
            header: None,
            records,
            totals: Some(totals),
            defects: Vec::new(),
            verified: true,
        }
    }

    pub fn timeline(&self) -> Timeline {
        Timeline::new(self.evidence().records)
    }
}
