//! A run's records as the model's steps: a process that hands them out one by one.

use std::collections::BTreeMap;
use std::fmt::Write;

use evidence::{Event, Kind, Record, Timeline};
use shootdown::{Operation, Point};

use super::mutants::Mutant;
use super::spin::{self, Checked, Search};
use crate::status::Failure;

/// The most records of a run: the process is a program, a line for each.
const MOST: usize = 4000;
/// The largest generation that the model's words hold.
const LARGEST: u64 = 32_000;
/// A page-table change's number where nothing was there before: no shootdown is for it.
const MAP: u64 = 0;

/// What the model is to do, in order.
#[derive(Clone, Debug)]
pub struct Steps {
    /// Each with the record that it is of.
    steps: Vec<(usize, String)>,
    macros: Vec<String>,
}

/// What came of a run's steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// How many states were looked at.
    pub states: u64,
    /// The first record, as an index in the timeline, that no way comes past; none if the model can take
    /// all of them.
    pub stuck: Option<usize>,
}

/// One step: its name in the model, and its operand.
type Step = (&'static str, u64);

struct Reader<'t> {
    timeline: &'t Timeline,
    /// The model's numbers of pages.
    pages: BTreeMap<(u32, u64), u64>,
    /// The vector of the shootdown interrupt.
    vector: u64,
}

impl Steps {
    /// Of a run of the scoreboard protocol.
    ///
    /// # Errors
    /// What is in it that the model has not.
    pub fn of(timeline: &Timeline) -> Result<Steps, String> {
        let records = timeline.records();
        let ipi = records.iter().find(|record| record.is(Kind::Ipi));
        let mut reader = Reader {
            timeline,
            pages: BTreeMap::new(),
            vector: ipi.map_or(0, |record| record.b & 0xff),
        };
        let mut steps = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let step = reader.step(index).map_err(|what| {
                format!(
                    "record {} of CPU {}, {}: the model has no {what}",
                    record.number,
                    record.cpu,
                    record.event.name()
                )
            })?;
            if let Some((name, operand)) = step {
                steps.push((index, format!("step!{name},{},{operand}", record.cpu)));
            }
        }
        if steps.is_empty() {
            return Err("there is no shootdown in it".into());
        }
        if steps.len() > MOST {
            return Err(format!(
                "it has {} records of shootdowns; at most {MOST} can be followed",
                steps.len()
            ));
        }
        let cpus = timeline.cpus().into_iter().map(|cpu| cpu.index() + 1);
        let cpus = cpus.max().unwrap_or(1);
        let first = records
            .iter()
            .find(|record| record.is(Point::Generation))
            .map_or(1, |record| record.b);
        let macros = vec![
            "TRACE".into(),
            format!("CPUS={cpus}"),
            format!("INITIATORS={cpus}"),
            format!("PAGES={}", reader.pages.len().max(1)),
            format!("LAST={LARGEST}"),
            format!("FIRST={}", first.saturating_sub(1)),
        ];
        Ok(Steps { steps, macros })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The process, a line for each step from the second on.
    fn process(&self) -> String {
        let mut text = String::from("proctype Trace() {\n");
        for (_, step) in &self.steps {
            let _ = writeln!(text, "{step};");
        }
        text.push_str("}\n");
        text
    }

    fn search(&self, mutant: Option<&Mutant>) -> Result<Checked, Failure> {
        let mut macros = self.macros.clone();
        macros.extend(mutant.map(|mutant| mutant.name.to_owned()));
        spin::check(&macros, Search::Safety, false, Some(&self.process()))
    }

    /// Lets the model, or a mutant of it, take the steps.
    ///
    /// # Errors
    /// What Spin fails with.
    pub fn replay(&self, mutant: Option<&Mutant>) -> Result<Replayed, Failure> {
        let checked = self.search(mutant)?;
        // The first step is in the second line; behind the last there is the end. A step that nobody takes
        // counts as reached, as Spin tries it: it is the one before the first that is not.
        let stuck = checked.unreached.iter().min().map(|&line| {
            let step = line.saturating_sub(3).min(self.steps.len() - 1);
            self.steps[step].0
        });
        Ok(Replayed {
            states: checked.states,
            stuck,
        })
    }
}

impl Reader<'_> {
    fn page(&mut self, space: u32, address: u64) -> u64 {
        let next = self.pages.len() as u64;
        *self.pages.entry((space, address)).or_insert(next)
    }

    /// The page of a request for a single one.
    fn asked(&mut self, record: &Record) -> Result<u64, String> {
        let range = record.range();
        match range.operation {
            Some(Operation::Page | Operation::Range) if range.pages() == 1 => {
                Ok(self.page(range.space.0, range.start))
            }
            _ => Err(format!("{range}: a shootdown is of one page")),
        }
    }

    /// The page of a known address, in whatever space.
    fn known(&self, address: u64) -> Option<u64> {
        let mut pages = self.pages.iter();
        pages
            .find(|((_, known), _)| *known == address)
            .map(|(_, &page)| page)
    }

    fn step(&mut self, index: usize) -> Result<Option<Step>, String> {
        let record = &self.timeline.records()[index];
        match record.event {
            Event::Point(point) => self.point(record, point),
            Event::Kind(kind) => self.kind(record, kind),
        }
    }

    fn point(&mut self, record: &Record, point: Point) -> Result<Option<Step>, String> {
        let place = record.place();
        let generation = |b: u64| match b {
            0..=LARGEST => Ok(b),
            _ => Err(format!("generation {b}: at most {LARGEST}")),
        };
        Ok(Some(match point {
            Point::PteStore if record.a & 0xfff == MAP => return Ok(None),
            Point::PteStore => {
                let change = record.change();
                if change.pages() != 1 {
                    return Err(format!("{change}: a change is of one page"));
                }
                ("pte_store", self.page(change.space.0, change.start))
            }
            Point::Publish => ("publish", self.known(record.b).ok_or("such page")?),
            Point::Generation => ("generation", generation(record.b)?),
            Point::Zero => {
                let target = place.and_then(|place| place.target);
                ("zero", target.ok_or("such word")?.index() as u64)
            }
            Point::Send => ("send", record.a),
            Point::LocalInvalidate => ("local_invalidate", self.asked(record)?),
            Point::Wait => ("wait", 0),
            Point::Done => ("done", 0),
            Point::Notice => ("notice", 0),
            Point::Copy => ("copy", self.known(record.b).ok_or("such page")?),
            Point::Acknowledge => ("acknowledge", generation(record.b)?),
            Point::Invalidate => ("invalidate", self.asked(record)?),
            Point::Return => ("return_", 0),
            Point::Pin | Point::Activate => return Ok(None),
        }))
    }

    fn kind(&mut self, record: &Record, kind: Kind) -> Result<Option<Step>, String> {
        Ok(Some(match kind {
            Kind::Begin => ("begin", self.asked(record)?),
            Kind::Holders => ("holders", record.a),
            Kind::Ipi if record.b & 0xff == self.vector => ("ipi", record.a),
            Kind::Enter if record.a == self.vector => ("enter", 0),
            Kind::Leave if record.a == self.vector => ("leave", 0),
            Kind::End if record.a == 0 => ("end_", record.b),
            Kind::Invlpg => match self.known(record.a) {
                Some(page) => ("invlpg", page),
                None => return Ok(None),
            },
            Kind::End => return Err("giving up".into()),
            Kind::Asked => return Err("stated set of targets".into()),
            Kind::Resend => return Err("sending again".into()),
            _ => return Ok(None),
        }))
    }
}
