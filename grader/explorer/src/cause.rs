//! What a protocol did wrong before it showed: the judge goes by what the kernel records of itself, here the
//! protocol's own words count as well.

use crate::code::Source;
use crate::op::{Op, WordId};
use crate::story::{Story, What};
use evidence::{Event, Place, Record};
use membership::Members;
use shootdown::{CpuId, CpuSet, MAX_CPUS, Point};

mod membership;

/// The first thing that a protocol did wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cause {
    /// Which invariant speaks against it, 1 to 20.
    pub invariant: u8,
    /// What was done, in a sentence.
    pub words: String,
    /// Where in the source.
    pub at: Option<Source>,
}

/// What a CPU has done for the shootdown that it initiates, handlers left out.
#[derive(Clone, Default)]
struct Initiator {
    zeroed: CpuSet,
    acknowledged: CpuSet,
    /// It has zeroed slots, and sent nothing since: what it sends later is to those who are late.
    announces: bool,
    /// It has asked which CPU it is.
    knows_itself: bool,
    /// Its last shootdown was given up.
    gave_up: bool,
    /// It has written the destination of a command, and not the command.
    halfway: bool,
}

/// What a CPU's handler has done for the request that it serves.
#[derive(Clone, Default)]
struct Target {
    /// The generations that it has read since it acknowledged last.
    read: Vec<u64>,
    acknowledged: bool,
}

/// A store that others do not see yet.
struct Buffered {
    cpu: CpuId,
    word: WordId,
    point: Option<Point>,
    at: Option<Source>,
}

struct Search<'s> {
    story: &'s Story,
    initiators: Vec<Initiator>,
    targets: Vec<Target>,
    buffered: Vec<Buffered>,
    /// Whose shootdown the one request is for that all share, where there is such a one.
    shared: Option<CpuId>,
}

/// Looks for it, first to last.
pub(crate) fn cause(story: &Story) -> Option<Cause> {
    // Slots may be of CPUs that do nothing.
    let mut search = Search {
        story,
        initiators: vec![Initiator::default(); MAX_CPUS],
        targets: vec![Target::default(); MAX_CPUS],
        buffered: Vec::new(),
        shared: None,
    };
    let mut members = Members::new(story, MAX_CPUS);
    let mut records = story.records.iter().zip(&story.moment_of).peekable();
    for number in 0..story.moments.len() {
        if let Some((invariant, words)) = members.moment(story, number) {
            return search.cause(invariant, words, number);
        }
        if let Some(cause) = search.moment(number) {
            return Some(cause);
        }
        while let Some((record, _)) = records.next_if(|(_, of)| **of == Some(number)) {
            if let Some(cause) = search.record(record, number) {
                return Some(cause);
            }
        }
    }
    None
}

impl Search<'_> {
    fn cause(&self, invariant: u8, words: String, number: usize) -> Option<Cause> {
        Some(Cause {
            invariant,
            words,
            at: self.story.moments[number].at.clone(),
        })
    }

    fn moment(&mut self, number: usize) -> Option<Cause> {
        let moment = &self.story.moments[number];
        let cpu = moment.cpu;
        let initiator = &mut self.initiators[cpu.index()];
        match moment.what {
            What::Switches { .. } if !initiator.zeroed.is_empty() => {
                let words = format!("CPU {cpu} ran another thread in the middle of a shootdown");
                return self.cause(19, words, number);
            }
            What::Asks { op: Op::Me, .. } if !moment.in_handler => initiator.knows_itself = true,
            What::Asks {
                op: Op::Load { word, .. },
                answer,
            } if moment.in_handler && self.story.roles[usize::from(word.0)] == "Generation" => {
                self.targets[cpu.index()].read.push(answer)
            }
            What::Asks {
                op: Op::Store { word, point, .. },
                ..
            } => self.buffered.push(Buffered {
                cpu,
                word,
                point,
                at: moment.at.clone(),
            }),
            What::Asks { op, .. } if op.serialises() => {
                self.buffered.retain(|store| store.cpu != cpu);
                match op {
                    Op::IcrHigh(_) => initiator.halfway = true,
                    Op::IcrLow(_) => initiator.halfway = false,
                    _ => {}
                }
            }
            What::Leaves | What::Switches { .. } => self.buffered.retain(|store| store.cpu != cpu),
            What::Disturbs if initiator.halfway => {
                let words = format!(
                    "CPU {cpu} took an interrupt between the two writes of a command, and its handler sent: the \
                     second write goes where the handler's went"
                );
                return self.cause(14, words, number);
            }
            What::Asks {
                op: Op::IcrWide(_), ..
            } if self.buffered.iter().any(|store| store.cpu == cpu) => {
                let words = format!(
                    "CPU {cpu} wrote the MSR while stores of its own were in its store buffer: the interrupt can \
                     overtake them"
                );
                return self.cause(2, words, number);
            }
            What::Commits { word, .. } => return self.commits(cpu, word),
            What::Moves { to } if initiator.knows_itself => {
                let words = format!(
                    "the thread moved from CPU {cpu} to CPU {to} in the middle of its shootdown"
                );
                return self.cause(19, words, number);
            }
            What::Ends(crate::Call::Change { .. } | crate::Call::ChangeSeveral { .. }) => {
                self.shared = self.shared.filter(|&owner| owner != cpu);
                let done = core::mem::take(initiator);
                let silent = done.zeroed.minus(done.acknowledged);
                if !silent.is_empty() {
                    let words = format!(
                        "CPU {cpu}'s shootdown returned before CPUs {silent} had acknowledged it"
                    );
                    return self.cause(3, words, number);
                }
            }
            What::Abandons(_) => {
                self.shared = self.shared.filter(|&owner| owner != cpu);
                initiator.knows_itself = false;
                initiator.gave_up = true;
            }
            What::Enters => self.targets[cpu.index()] = Target::default(),
            _ => {}
        }
        None
    }

    /// A store becomes visible: a zero after the whole request.
    fn commits(&mut self, cpu: CpuId, word: WordId) -> Option<Cause> {
        let own = |store: &Buffered| store.cpu == cpu;
        let index = self
            .buffered
            .iter()
            .position(|store| own(store) && store.word == word)?;
        let store = self.buffered.remove(index);
        let late = self.buffered[..index].iter().find(|other| {
            own(other) && !matches!(other.point, Some(Point::PteStore | Point::Zero))
        })?;
        (store.point == Some(Point::Zero)).then(|| Cause {
            invariant: 1,
            words: format!(
                "others saw CPU {cpu}'s zero before a word of the request that it announces"
            ),
            at: late.at.clone(),
        })
    }

    fn record(&mut self, record: &Record, number: usize) -> Option<Cause> {
        let (cpu, Event::Point(point)) = (record.cpu, record.event) else {
            return None;
        };
        match point {
            Point::Generation if record.b == 0 => {
                let words = format!("CPU {cpu} published generation 0, which means pending");
                self.cause(12, words, number)
            }
            Point::Zero => self.zeroes(cpu, record.place()?, number),
            Point::Publish
                if record
                    .place()
                    .is_some_and(|place| place.initiator.is_none()) =>
            {
                let other = self.shared.replace(cpu).filter(|&owner| owner != cpu)?;
                let words = format!(
                    "CPU {cpu} wrote the request that CPU {other}'s targets had yet to read"
                );
                self.cause(3, words, number)
            }
            Point::Publish | Point::Generation => {
                let asked = self.initiators[cpu.index()].zeroed;
                let pending = asked.minus(self.initiators[cpu.index()].acknowledged);
                if pending.is_empty() {
                    return None;
                }
                if self.initiators[cpu.index()].gave_up {
                    let words = format!(
                        "CPU {cpu} wrote its next request while CPUs {pending} may yet read the one that it \
                         had given up"
                    );
                    return self.cause(3, words, number);
                }
                let words = format!(
                    "CPU {cpu} wrote its request while CPUs {pending} had yet to read it: their \
                     slots were zero already"
                );
                self.cause(1, words, number)
            }
            Point::Send => {
                let own = &mut self.initiators[cpu.index()];
                let (asked, sent) = (own.zeroed, record.cpus());
                if !core::mem::take(&mut own.announces) || asked == sent {
                    return None;
                }
                let words = format!(
                    "CPU {cpu} zeroed the slots of CPUs {asked}, and sent interrupts to CPUs {sent}"
                );
                self.cause(11, words, number)
            }
            Point::Notice => {
                self.targets[cpu.index()].acknowledged = false;
                None
            }
            Point::Copy => {
                if !self.targets[cpu.index()].acknowledged {
                    return None;
                }
                let words = format!(
                    "CPU {cpu} acknowledged before it copied the request: its initiator may have \
                     written the next one by then"
                );
                self.cause(4, words, number)
            }
            Point::Acknowledge => self.acknowledges(record, number),
            _ => None,
        }
    }

    fn acknowledges(&mut self, record: &Record, number: usize) -> Option<Cause> {
        let (cpu, place) = (record.cpu, record.place()?);
        let (row, initiator) = (place.target?, place.initiator?);
        if row != cpu {
            let words = format!(
                "CPU {cpu} acknowledged in the slot (target {row}, initiator {initiator}): rows are \
                 targets, columns initiators"
            );
            return self.cause(13, words, number);
        }
        let target = &mut self.targets[cpu.index()];
        target.acknowledged = true;
        let read = core::mem::take(&mut target.read);
        if !read.contains(&record.b) {
            let words = format!(
                "CPU {cpu} acknowledged generation {}, which it had read nowhere in the request",
                record.b
            );
            return self.cause(4, words, number);
        }
        let asked = &mut self.initiators[initiator.index()];
        asked.acknowledged = asked.acknowledged.with(cpu);
        None
    }

    fn zeroes(&mut self, cpu: CpuId, place: Place, number: usize) -> Option<Cause> {
        let (target, initiator) = (place.target?, place.initiator?);
        if initiator != cpu {
            let words = format!(
                "CPU {cpu} zeroed the slot (target {target}, initiator {initiator}): rows are \
                 targets, columns initiators"
            );
            return self.cause(13, words, number);
        }
        let own = &mut self.initiators[cpu.index()];
        own.announces = true;
        own.zeroed = own.zeroed.with(target);
        own.acknowledged = own.acknowledged.without(target);
        None
    }
}
