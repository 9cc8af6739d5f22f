//! Cutting shootdowns, handler runs and interrupts out of the records, in one pass.

use super::{Arrow, Handler, Outcome, Service, Shootdown, Timeline};
use crate::{Event, Kind, Place, Record};
use alloc::vec;
use alloc::vec::Vec;
use shootdown::{CpuId, CpuSet, MAX_CPUS, Point};

/// How far back a change of page-table entries may wait for its shootdown, in changes.
const PENDING: usize = 256;
/// How many of an initiator's shootdowns a late acknowledgement may be of.
const LATE: usize = 16;
/// How many interrupts may be under way: beyond, the oldest are taken for lost. Of some vectors no
/// handler is recorded.
const FLYING: usize = 1024;
/// A pte-store's number of a change that needs no shootdown: nothing was there before.
const MAP: u64 = 0;

/// What a CPU is in the middle of.
#[derive(Default)]
struct Cpu {
    shootdown: Option<usize>,
    /// Runs, the innermost last.
    handlers: Vec<usize>,
    service: Option<Service>,
    /// Its shootdowns.
    begun: Vec<usize>,
}

struct Builder {
    timeline: Timeline,
    cpus: Vec<Cpu>,
    /// Changes of page-table entries that no shootdown was for yet.
    pending: Vec<usize>,
    /// Arrows that no handler has taken: indices in the timeline's.
    flying: Vec<usize>,
    /// Who wrote each request's first word last.
    published: Vec<(Place, CpuId)>,
}

pub(super) fn build(timeline: Timeline) -> Timeline {
    let mut builder = Builder {
        cpus: (0..MAX_CPUS).map(|_| Cpu::default()).collect(),
        timeline,
        pending: Vec::new(),
        flying: Vec::new(),
        published: Vec::new(),
    };
    for index in 0..builder.timeline.records.len() {
        let record = builder.timeline.records[index];
        match record.event {
            Event::Kind(kind) => builder.kind(index, &record, kind),
            Event::Point(point) => builder.point(index, &record, point),
        }
    }
    for cpu in 0..MAX_CPUS {
        builder.end_service(cpu);
    }
    builder.timeline
}

impl Builder {
    fn kind(&mut self, index: usize, record: &Record, kind: Kind) {
        let cpu = record.cpu.index();
        match kind {
            Kind::Begin => self.begin(index, record),
            Kind::Holders => self.change(cpu, |shootdown| shootdown.holders = record.cpus()),
            Kind::Asked => self.change(cpu, |shootdown| shootdown.asked = Some(record.cpus())),
            Kind::End => self.end(index, record),
            Kind::Enter => self.enter(index, record),
            Kind::Leave => self.leave(index, record),
            Kind::Ipi => self.ipi(index, record),
            Kind::Invlpg
            | Kind::Invpcid
            | Kind::LoadCr3
            | Kind::FlushGlobal
            | Kind::FlushCaches => match &mut self.cpus[cpu].service {
                Some(service) if service.invalidate.is_some() => service.executed.push(index),
                _ => self.step(cpu, index),
            },
            _ => self.step(cpu, index),
        }
    }

    fn point(&mut self, index: usize, record: &Record, point: Point) {
        let cpu = record.cpu.index();
        match point {
            Point::Notice => {
                self.end_service(cpu);
                self.service(cpu).notice = Some(index);
            }
            Point::Copy => {
                if self.service(cpu).copy.is_some() {
                    self.end_service(cpu);
                }
                let initiator = record.place().and_then(|place| self.publisher(place));
                let service = self.service(cpu);
                service.copy = Some(index);
                service.initiator = service.initiator.or(initiator);
            }
            Point::Acknowledge => self.acknowledge(index, record),
            Point::Invalidate => self.service(cpu).invalidate = Some(index),
            Point::Return => self.end_service(cpu),
            Point::PteStore => self.store(index, record),
            _ => self.initiate(index, record, point),
        }
    }

    fn acknowledge(&mut self, index: usize, record: &Record) {
        let cpu = record.cpu.index();
        let initiator = record.place().and_then(|place| place.initiator);
        let service = self.service(cpu);
        // Of the same request twice: the first is what counts.
        service.acknowledge.get_or_insert(index);
        service.initiator = initiator.or(service.initiator);
    }

    /// A point that an initiator passes.
    fn initiate(&mut self, index: usize, record: &Record, point: Point) {
        let cpu = record.cpu.index();
        match point {
            Point::Publish => {
                if let Some(place) = record.place() {
                    self.published.retain(|(other, _)| *other != place);
                    self.published.push((place, record.cpu));
                }
                // What was sent before it was for an earlier request.
                self.change(cpu, |shootdown| shootdown.sent = CpuSet::EMPTY);
            }
            Point::Generation => self.change(cpu, |shootdown| {
                shootdown.generation = Some(record.b as u32);
            }),
            Point::Zero => {
                let target = record.place().and_then(|place| place.target);
                self.change(cpu, |shootdown| {
                    shootdown.zeroed =
                        target.map_or(shootdown.zeroed, |target| shootdown.zeroed.with(target));
                });
            }
            _ => {}
        }
        self.step(cpu, index);
    }

    fn store(&mut self, index: usize, record: &Record) {
        if record.a & 0xfff != MAP {
            if self.pending.len() == PENDING {
                self.pending.remove(0);
            }
            self.pending.push(index);
        }
        self.step(record.cpu.index(), index);
    }

    fn begin(&mut self, index: usize, record: &Record) {
        let request = record.range();
        let records = &self.timeline.records;
        let stores = self.pending.iter().copied();
        let stores = stores.filter(|&store| records[store].change().meets(&request));
        let shootdown = Shootdown {
            initiator: record.cpu,
            begin: index,
            end: None,
            outcome: Outcome::Unfinished,
            request,
            holders: CpuSet::EMPTY,
            asked: None,
            generation: None,
            zeroed: CpuSet::EMPTY,
            sent: CpuSet::EMPTY,
            stores: stores.collect(),
            steps: vec![index],
            services: Vec::new(),
        };
        let number = self.timeline.shootdowns.len();
        self.timeline.shootdowns.push(shootdown);
        let cpu = &mut self.cpus[record.cpu.index()];
        cpu.shootdown = Some(number);
        cpu.begun.push(number);
    }

    fn end(&mut self, index: usize, record: &Record) {
        let cpu = record.cpu.index();
        self.step(cpu, index);
        let Some(number) = self.cpus[cpu].shootdown.take() else {
            return;
        };
        let shootdown = &mut self.timeline.shootdowns[number];
        shootdown.end = Some(index);
        shootdown.outcome = match record.a {
            0 => Outcome::Acknowledged,
            _ => Outcome::Abandoned,
        };
        // What was in the word when it ended is what was published, whatever was meant to be.
        if shootdown.outcome == Outcome::Acknowledged && !shootdown.targets().is_empty() {
            shootdown.generation = Some(record.b as u32);
        }
        if shootdown.outcome == Outcome::Acknowledged && shootdown.asked.is_none() {
            let stores = &shootdown.stores;
            self.pending.retain(|store| !stores.contains(store));
        }
    }

    fn enter(&mut self, index: usize, record: &Record) {
        let number = self.timeline.handlers.len();
        self.timeline.handlers.push(Handler {
            cpu: record.cpu,
            vector: record.a,
            enter: index,
            leave: None,
        });
        self.cpus[record.cpu.index()].handlers.push(number);
        self.timeline.runs_of[record.cpu.index()].push(number);
        let mut taken = false;
        let Timeline {
            arrows, records, ..
        } = &mut self.timeline;
        self.flying.retain(|&flying| {
            let arrow = &mut arrows[flying];
            let vector = records[arrow.ipi].b & 0xff;
            if arrow.target != record.cpu || vector != record.a {
                return true;
            }
            arrow.handler = Some(number);
            arrow.coalesced = core::mem::replace(&mut taken, true);
            false
        });
    }

    fn leave(&mut self, index: usize, record: &Record) {
        let cpu = record.cpu.index();
        self.end_service(cpu);
        if let Some(handler) = self.cpus[cpu].handlers.pop() {
            self.timeline.handlers[handler].leave = Some(index);
        }
    }

    fn ipi(&mut self, index: usize, record: &Record) {
        let cpu = record.cpu.index();
        self.step(cpu, index);
        self.change(cpu, |shootdown| {
            shootdown.sent = shootdown.sent.or(record.cpus());
        });
        let shootdown = self.initiating(cpu);
        for target in record.cpus() {
            if self.flying.len() == FLYING {
                self.flying.remove(0);
            }
            self.flying.push(self.timeline.arrows.len());
            self.timeline.arrows.push(Arrow {
                ipi: index,
                target,
                handler: None,
                coalesced: false,
                shootdown,
            });
        }
    }

    /// The shootdown that `cpu` initiates, unless a handler interrupts it.
    fn initiating(&self, cpu: usize) -> Option<usize> {
        let cpu = &self.cpus[cpu];
        cpu.shootdown.filter(|_| cpu.handlers.is_empty())
    }

    fn change(&mut self, cpu: usize, change: impl FnOnce(&mut Shootdown)) {
        if let Some(number) = self.initiating(cpu) {
            change(&mut self.timeline.shootdowns[number]);
        }
    }

    fn step(&mut self, cpu: usize, index: usize) {
        self.change(cpu, |shootdown| shootdown.steps.push(index));
    }

    fn publisher(&self, place: Place) -> Option<CpuId> {
        place.initiator.or_else(|| {
            let published = self.published.iter().find(|(other, _)| *other == place);
            published.map(|&(_, cpu)| cpu)
        })
    }

    /// What `cpu` is serving; begun if it was not.
    fn service(&mut self, cpu: usize) -> &mut Service {
        let handler = self.cpus[cpu].handlers.last().copied();
        let id = CpuId::new(cpu).expect("a record's CPU");
        self.cpus[cpu].service.get_or_insert_with(|| Service {
            cpu: id,
            handler,
            notice: None,
            copy: None,
            acknowledge: None,
            invalidate: None,
            executed: Vec::new(),
            initiator: None,
            shootdown: None,
        })
    }

    fn end_service(&mut self, cpu: usize) {
        let Some(mut service) = self.cpus[cpu].service.take() else {
            return;
        };
        service.shootdown = self.served(&service);
        if let Some(shootdown) = service.shootdown {
            let number = self.timeline.services.len();
            self.timeline.shootdowns[shootdown].services.push(number);
        }
        self.timeline.services.push(service);
    }

    /// The shootdown that was served: its initiator's, of the generation acknowledged; or else the
    /// last one that had begun.
    fn served(&self, service: &Service) -> Option<usize> {
        let begun = &self.cpus[service.initiator?.index()].begun;
        let shootdown = |number: usize| &self.timeline.shootdowns[number];
        let first = service.first();
        let mut late = begun
            .iter()
            .rev()
            .copied()
            .filter(|&number| shootdown(number).begin < first)
            .take(LATE);
        let acknowledged = service
            .acknowledge
            .map(|index| self.timeline.records[index].b as u32);
        let last = late.clone().next();
        late.find(|&number| acknowledged.is_some() && shootdown(number).generation == acknowledged)
            .or(last)
    }
}
