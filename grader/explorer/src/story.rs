//! A way through a scene, told: who did what, where in the source, and what a kernel would have recorded.
//!
//! The records are the evidence's, so whatever draws or judges a run of the kernel does so for a
//! counterexample: each thing that happens is a tick of the clock.

use crate::addressing::SpaceWords;
use crate::calls::Call;
use crate::code::{Code, Declared, Source};
use crate::host::{SPACE, address};
use crate::machine::Step;
use crate::op::{Op, WordId};
use crate::ringing::{self, RingWords};
use crate::scene::Scene;
use crate::search;
use crate::violation::Violation;
use evidence::{Event, Kind, Place, Purpose, Record};
use shootdown::{CpuId, CpuSet, Operation, PAGE_SIZE, Point, SpaceId};

/// The vector that records give the shootdown interrupt: the kernel's.
const VECTOR: u64 = 244;
/// A page-table change that replaces an entry, as the records number them.
const REPLACE: u64 = 1;

/// Something that a CPU does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// An operation of the seam, and what the machine answered.
    Asks {
        /// The operation.
        op: Op,
        /// The answer; 0 where there is none.
        answer: u64,
    },
    /// A store leaves its store buffer: from here on others see it.
    Commits {
        /// The word.
        word: WordId,
        /// What is in it now.
        value: u64,
    },
    /// It takes the interrupt.
    Enters,
    /// The handler is over.
    Leaves,
    /// It walks the page table, and its TLB holds what it finds.
    Walks {
        /// The page.
        page: u8,
        /// The entry's version.
        version: u16,
    },
    /// Its thread moves.
    Moves {
        /// Where to.
        to: CpuId,
    },
    /// It runs another thread.
    Switches {
        /// Which.
        thread: u8,
    },
    /// What it was called for is done.
    Ends(Call),
    /// What it was called for is given up.
    Abandons(Call),
    /// The interrupt that was on its way there is lost.
    Loses,
    /// An interrupt comes there once more.
    Repeats,
    /// Its wait's patience ends.
    Expires,
    /// Its wait is given up.
    GivesUp,
    /// The command that was pending in its register is accepted.
    Accepts,
    /// It takes an interrupt whose handler sends to its own CPU.
    Disturbs,
    /// It takes a non-maskable interrupt, whose handler reads a page.
    TakesNmi {
        /// Which.
        page: u8,
    },
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Where.
    pub cpu: CpuId,
    /// Whether in the interrupt handler.
    pub in_handler: bool,
    /// What.
    pub what: What,
    /// The line of the source that asked for it.
    pub at: Option<Source>,
}

/// What happened, first to last.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Everything.
    pub moments: Vec<Moment>,
    /// What a kernel would have recorded of it, in the same order.
    pub records: Vec<Record>,
    /// For each record the moment that it is of; none for the violation's own.
    pub moment_of: Vec<Option<usize>>,
    /// What each word is for: the name of its [`Role`](shootdown::Role).
    pub roles: Vec<&'static str>,
    /// Where each word is, packed as in the records; 0 if it is nowhere in particular.
    pub places: Vec<u64>,
    /// Where the words of the space are, and which CPUs are in it at the start, if CPUs switch between spaces.
    pub(crate) space_words: Option<SpaceWords>,
    pub(crate) inside: CpuSet,
    pub(crate) ring_words: Option<RingWords>,
    /// How it ends, if not well.
    pub violation: Option<Violation>,
}

/// A step of a schedule that cannot be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Impossible {
    /// Its number, from 0.
    pub number: usize,
    /// The step.
    pub step: Step,
}

/// Takes `steps` from the start of `scene`, and tells what happens. A story that no rule ended, and after
/// which nothing can happen any more while threads wait, ends in a hang.
///
/// # Errors
/// [`Impossible`] if a step cannot be taken where it comes.
pub fn retell(code: &dyn Code, scene: &Scene, steps: &[Step]) -> Result<Story, Impossible> {
    let (mut places, mut roles) = (Vec::new(), Vec::new());
    let (mut space_words, mut ring_words) = (None, None);
    let told = search::with_machine(code, scene, |machine, declared, memory| {
        places = name_words(declared, scene.cpus, memory.len());
        roles.clone_from(&machine.roles);
        space_words = machine.space_words.clone();
        ring_words = machine.ring_words.clone();
        machine.log = Some(Vec::new());
        let walked = search::bounded(|| machine.walk(memory, steps));
        // More to learn than there is room for.
        let last = |step: &Step| Impossible {
            number: steps.len() - 1,
            step: *step,
        };
        walked.unwrap_or_else(|| steps.last().map(last).map_or(Ok(Default::default()), Err))
    });
    let (moments, violation) = told?;
    let mut teller = Teller {
        places,
        numbers: vec![0; scene.cpus],
        generations: vec![0; scene.cpus],
        loaded: vec![None; scene.cpus],
        cpus: CpuSet::first(scene.cpus),
        high: vec![0; scene.cpus],
        story: Story::default(),
    };
    for (number, moment) in moments.iter().enumerate() {
        teller.tell(number, moment, scene);
    }
    if let Some(violation) = &violation {
        teller.end(violation);
    }
    let places = core::mem::take(&mut teller.places);
    let switching = scene.switching.as_ref();
    Ok(Story {
        space_words,
        ring_words,
        inside: switching.map_or(CpuSet::EMPTY, |switching| switching.inside),
        places,
        moments,
        violation,
        roles,
        ..teller.story
    })
}

/// The places of the words that have one.
fn name_words(declared: &Declared, cpus: usize, words: usize) -> Vec<u64> {
    let mut places = vec![0; words];
    let all = || CpuSet::first(cpus).into_iter();
    for initiator in all() {
        let place = |purpose, target| Place {
            purpose,
            target,
            initiator: Some(initiator),
        };
        if let Some(word) = declared.head(initiator) {
            name(&mut places[usize::from(word.0)], place(Purpose::Head, None));
        }
        for target in all().filter(|&target| target != initiator) {
            if let Some(word) = declared.slot(target, initiator) {
                name(
                    &mut places[usize::from(word.0)],
                    place(Purpose::Slot, Some(target)),
                );
            }
        }
    }
    places
}

/// Names a word; one that several initiators share is nobody's.
fn name(packed: &mut u64, place: Place) {
    let shared = Place::unpacked(*packed).map(|_| Place {
        initiator: None,
        ..place
    });
    *packed = shared.unwrap_or(place).packed();
}

/// The space that the pages are in.
fn space_of(scene: &Scene) -> u64 {
    u64::from(if scene.global { SpaceId::KERNEL } else { SPACE }.0)
}

struct Teller {
    places: Vec<u64>,
    /// How many records each CPU has.
    numbers: Vec<u64>,
    /// The generation that each CPU published last.
    generations: Vec<u64>,
    /// What each CPU read last.
    loaded: Vec<Option<(WordId, u64)>>,
    cpus: CpuSet,
    /// The destination in each CPU's command register.
    high: Vec<u32>,
    story: Story,
}

impl Teller {
    fn push(&mut self, moment: Option<usize>, cpu: CpuId, event: impl Into<Event>, a: u64, b: u64) {
        let number = &mut self.numbers[cpu.index()];
        self.story.records.push(Record {
            cpu,
            number: *number,
            tsc: self.story.records.len() as u64,
            event: event.into(),
            a,
            b,
        });
        *number += 1;
        self.story.moment_of.push(moment);
    }

    fn tell(&mut self, number: usize, moment: &Moment, scene: &Scene) {
        let (cpu, some) = (moment.cpu, Some(number));
        match moment.what {
            What::Asks { op, answer } => self.asked(number, cpu, op, answer, scene),
            What::Enters => self.push(some, cpu, Kind::Enter, VECTOR, 0),
            What::Leaves => self.push(some, cpu, Kind::Leave, VECTOR, 0),
            What::Ends(
                Call::Change { .. } | Call::ChangeSeveral { .. } | Call::ChangeKernel { .. },
            ) => {
                let generation = self.generations[cpu.index()];
                self.push(some, cpu, Kind::End, 0, generation);
            }
            What::Switches { thread } => {
                self.push(
                    some,
                    cpu,
                    Kind::Switch,
                    u64::from(thread),
                    u64::from(SPACE.0),
                );
            }
            What::Disturbs => self.high[cpu.index()] = ringing::apic_id(cpu.index()),
            What::Abandons(_) => self.push(some, cpu, Kind::End, 1, 0),
            What::Ends(Call::Handle | Call::Activate(_) | Call::Ring { .. })
            | What::Accepts
            | What::TakesNmi { .. }
            | What::Loses
            | What::Repeats
            | What::Expires
            | What::GivesUp
            | What::Commits { .. }
            | What::Walks { .. }
            | What::Moves { .. } => {}
        }
    }

    fn asked(&mut self, number: usize, cpu: CpuId, op: Op, answer: u64, scene: &Scene) {
        let some = Some(number);
        match op {
            Op::Point(Point::Copy) => {
                let (word, value) = self.loaded[cpu.index()].unwrap_or((WordId(0), 0));
                let place = self.place(word);
                self.push(some, cpu, Point::Copy, place, value);
            }
            Op::Point(point) => self.push(some, cpu, point, 0, 0),
            Op::Work(point, a, b) => self.push(some, cpu, point, a, b),
            Op::Load { word, .. } => self.loaded[cpu.index()] = Some((word, answer)),
            Op::Store {
                word,
                value,
                point: Some(point),
                ..
            } => self.stored(number, cpu, word, value, point, scene),
            Op::Modify {
                word,
                change,
                point: Some(point),
            } => self.stored(number, cpu, word, change.apply(answer), point, scene),
            Op::Send(targets) => {
                self.push(some, cpu, Point::Send, targets.bits(), 0);
                self.push(some, cpu, Kind::Ipi, targets.bits(), VECTOR);
            }
            Op::IcrHigh(high) => self.high[cpu.index()] = high >> 24,
            Op::IcrLow(low) => {
                let destination = self.high[cpu.index()];
                self.commanded(number, cpu, low, destination);
            }
            Op::IcrWide(command) => {
                self.commanded(number, cpu, command as u32, (command >> 32) as u32);
            }
            Op::Invlpg(page) => {
                self.push(some, cpu, Kind::Invlpg, address(page), u64::from(SPACE.0));
            }
            Op::ReloadCr3 | Op::FlushAllButGlobal => {
                self.push(some, cpu, Kind::LoadCr3, u64::from(SPACE.0), 0);
            }
            Op::LoadCr3 { space, .. } => self.push(some, cpu, Kind::LoadCr3, space.into(), 0),
            Op::FlushGlobal | Op::InvpcidContext(_) => {
                self.push(some, cpu, Kind::FlushGlobal, 0, 0);
            }
            Op::InvpcidPage(_, page) | Op::InvlpgUser(page) => {
                self.push(some, cpu, Kind::Invlpg, address(page), u64::from(SPACE.0));
            }
            Op::InterruptsOff => self.push(some, cpu, Kind::InterruptsOff, 0, 0),
            Op::InterruptsOn => self.push(some, cpu, Kind::InterruptsOn, 0, 0),
            _ => {}
        }
    }

    fn stored(
        &mut self,
        number: usize,
        cpu: CpuId,
        word: WordId,
        value: u64,
        point: Point,
        scene: &Scene,
    ) {
        let some = Some(number);
        match point {
            Point::PteStore => {
                let page = word.0 - (self.places.len() as u16 - u16::from(scene.pages));
                self.changed(number, cpu, page as u8, scene);
            }
            Point::Generation => {
                self.generations[cpu.index()] = value;
                self.push(some, cpu, point, self.place(word), value);
            }
            _ => self.push(some, cpu, point, self.place(word), value),
        }
    }

    /// An entry changes; the shootdown of it begins once all of its call have.
    fn changed(&mut self, number: usize, cpu: CpuId, page: u8, scene: &Scene) {
        let space = space_of(scene);
        let end = |page: u8| address(page) + PAGE_SIZE;
        let some = Some(number);
        self.push(
            some,
            cpu,
            Point::PteStore,
            address(page) | REPLACE,
            end(page) | space,
        );
        let calls = scene.threads.iter().flat_map(|script| &script.calls);
        let begun = calls.copied().find_map(|call| {
            let (mut pages, _) = call.changes(scene.pages)?;
            (pages.clone().last() == Some(page)).then_some((call, pages.next()?))
        });
        if let Some((call, first)) = begun {
            let from = address(first);
            let (a, b) = match call {
                Call::ChangeKernel { .. } => (Operation::Global as u64, 0),
                // Of several, what lies between as well: what is asked for at once is yet to be seen.
                _ if first == page => (from | Operation::Page as u64, end(page) | space),
                _ => (from | Operation::Range as u64, end(page) | space),
            };
            self.push(some, cpu, Kind::Begin, a, b);
            let all = self.cpus.bits();
            self.push(some, cpu, Kind::Holders, all, all);
            self.generations[cpu.index()] = 0;
        }
    }

    /// A command is written: it is sent to whom the register says.
    fn commanded(&mut self, number: usize, cpu: CpuId, low: u32, destination: u32) {
        let sent = ringing::targets(low, destination, cpu.index(), self.cpus.len());
        self.push(Some(number), cpu, Kind::Ipi, sent.bits(), VECTOR);
    }

    fn place(&self, word: WordId) -> u64 {
        self.places.get(usize::from(word.0)).copied().unwrap_or(0)
    }

    fn end(&mut self, violation: &Violation) {
        match violation {
            Violation::Stale {
                cpu,
                page,
                held,
                required,
                ..
            } => {
                let page = address(*page) | u64::from(SPACE.0);
                let tags = u64::from(*held) << 32 | u64::from(*required);
                self.push(None, *cpu, Kind::Stale, page, tags);
            }
            Violation::ReadByNmi { cpu, page } => {
                let page = address(*page) | u64::from(SPACE.0);
                self.push(None, *cpu, Kind::Stale, page, 1);
            }
            Violation::Panic { cpu, .. }
            | Violation::Silent { cpu, .. }
            | Violation::Livelock { cpu }
            | Violation::Foreign { cpu, .. } => {
                let invariant = u64::from(violation.names().unwrap_or(0));
                self.push(None, *cpu, Kind::Violation, invariant, 0);
            }
            Violation::Hang { waiting } => {
                for cpu in *waiting {
                    let late = self.cpus.without(cpu);
                    let wanted = self.generations[cpu.index()];
                    self.push(None, cpu, Kind::Stuck, late.bits(), wanted);
                }
            }
        }
    }
}
