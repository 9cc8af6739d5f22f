//! What each CPU does from one place at which it can be parked to the next.

use crate::addressing::Switching;
use crate::calls::Call;
use crate::op::{Fence, Op, WordId};
use crate::scene::Scene;
use crate::story::{Story, What};
use shootdown::Point;

/// How a piece is begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// Pages are changed, by a command.
    Call { first: u8, pages: u8 },
    /// The CPU stands at the point, and goes on.
    At(Point),
    /// It stands behind the point's store, and goes on.
    Behind(Point),
    /// The interrupt arrives.
    Interrupt,
    /// It is lost.
    Lost,
    /// The page is read.
    Walk(u8),
    /// The wait that the CPU is in is given up.
    GiveUp,
}

/// What two CPUs may have to do with in a certain order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Thing {
    Word(WordId),
    /// Whether an interrupt is on its way to the CPU.
    Pending(usize),
    /// Whether it takes interrupts.
    Masked(usize),
    /// What its TLB holds of a page.
    Tlb(usize, u8),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub thing: Thing,
    pub writes: bool,
    /// The moment at which it was asked.
    pub moment: usize,
    /// That at which others could tell.
    pub seen: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The scene's number.
    pub cpu: usize,
    pub in_handler: bool,
    pub start: Start,
    /// Its first moment.
    pub moment: usize,
    pub accesses: Vec<Access>,
    /// Whether the call, or the handler, ends in it.
    pub ends: bool,
    /// What its CPU does before and after it in the same call or handler, or the same thread.
    pub before: Option<usize>,
    pub after: Option<usize>,
}

impl Piece {
    /// Whether it is a wait that does not end.
    pub fn is_endless(&self) -> bool {
        self.start == Start::At(Point::Wait) && !self.ends && self.after.is_none()
    }
}

/// What cannot be brought about by letting CPUs go from place to place: the moment, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unforced {
    pub moment: Option<usize>,
    pub why: String,
}

#[derive(Clone, Default)]
struct Cpu {
    thread: Option<usize>,
    handler: Option<usize>,
    /// The last piece of the call before.
    last: Option<usize>,
    /// Whether the call has changed an entry.
    changed: bool,
    /// Stores that others do not see yet: the piece, and the access's place in it.
    buffer: Vec<(WordId, usize, usize)>,
}

struct Cutter<'s> {
    scene: &'s Scene,
    /// Whether CPUs can be parked behind stores too.
    fine: bool,
    cpus: Vec<Cpu>,
    pieces: Vec<Piece>,
    entries: WordId,
}

/// Cuts `story` into pieces, in the order in which they began. With `fine` CPUs are parked behind stores too.
///
/// # Errors
/// [`Unforced`], at what no command brings about.
pub(super) fn cut(story: &Story, scene: &Scene, fine: bool) -> Result<Vec<Piece>, Unforced> {
    refuse(scene)?;
    let words = story.roles.len() as u16;
    let mut cutter = Cutter {
        scene,
        fine,
        cpus: vec![Cpu::default(); scene.cpus],
        pieces: Vec::new(),
        entries: WordId(words - u16::from(scene.pages)),
    };
    for (number, moment) in story.moments.iter().enumerate() {
        let cpu = moment.cpu.index();
        cutter.take(number, cpu, moment.in_handler, moment.what)?;
    }
    for index in 0..cutter.pieces.len() {
        if let Some(before) = cutter.pieces[index].before {
            cutter.pieces[before].after = Some(index);
        }
    }
    for piece in cutter.pieces.iter_mut().filter(|piece| piece.is_endless()) {
        piece.accesses.clear();
    }
    Ok(cutter.pieces)
}

/// Scenes whose every step would be another's.
fn refuse(scene: &Scene) -> Result<(), Unforced> {
    let switching: Option<&Switching> = scene.switching.as_ref();
    let why = if scene.apic.is_some() {
        "in this scene the command register's writes are steps, and no point is at them"
    } else if switching.is_some_and(|switching| switching.mode.has_pcid()) {
        "this scene has PCIDs, which the emulator has not"
    } else if switching.is_some() {
        "in this scene CPUs switch between spaces, which nothing but the scheduler makes them do"
    } else if scene.gathers() {
        "in this scene several changes are shot down at once as the protocol gathers them, which no command of the \
         shell asks for"
    } else if scene.global {
        "this scene's page is the kernel's, which Bochs holds to its rules and QEMU does not: see `help kpage`"
    } else {
        return Ok(());
    };
    Err(Unforced {
        moment: None,
        why: why.into(),
    })
}

impl Cutter<'_> {
    fn begin(&mut self, cpu: usize, in_handler: bool, start: Start, moment: usize) -> usize {
        let index = self.pieces.len();
        let state = &mut self.cpus[cpu];
        let before = match start {
            Start::Lost | Start::Walk(_) | Start::Interrupt => None,
            Start::Call { .. } => state.last,
            _ if in_handler => state.handler,
            _ => state.thread,
        };
        match start {
            Start::Lost | Start::Walk(_) => {}
            _ if in_handler => state.handler = Some(index),
            _ => state.thread = Some(index),
        }
        self.pieces.push(Piece {
            cpu,
            in_handler,
            start,
            moment,
            accesses: Vec::new(),
            ends: false,
            before,
            after: None,
        });
        index
    }

    /// Adds an access to `piece`; returns its place there.
    fn access(&mut self, piece: usize, thing: Thing, writes: bool, moment: usize) -> usize {
        let piece = &mut self.pieces[piece];
        if piece.start == Start::At(Point::Wait) && !writes {
            // Of a wait the last look counts.
            piece.accesses.retain(|access| access.thing != thing);
        }
        piece.accesses.push(Access {
            thing,
            writes,
            moment,
            seen: moment,
        });
        piece.accesses.len() - 1
    }

    fn take(
        &mut self,
        moment: usize,
        cpu: usize,
        in_handler: bool,
        what: What,
    ) -> Result<(), Unforced> {
        match what {
            What::Asks { op, .. } => self.ask(moment, cpu, in_handler, op),
            What::Enters => {
                let piece = self.begin(cpu, true, Start::Interrupt, moment);
                self.access(piece, Thing::Pending(cpu), true, moment);
                self.access(piece, Thing::Masked(cpu), false, moment);
            }
            What::Leaves => {
                self.drain(cpu, moment);
                if let Some(piece) = self.cpus[cpu].handler.take() {
                    self.pieces[piece].ends = true;
                }
            }
            What::Ends(_) | What::Abandons(_) => {
                let state = &mut self.cpus[cpu];
                state.changed = false;
                state.last = state.thread.take();
                if let Some(piece) = state.last {
                    self.pieces[piece].ends = true;
                }
            }
            What::Commits { word, .. } => self.commit(cpu, word, moment),
            What::Walks { page, .. } => {
                let piece = self.begin(cpu, in_handler, Start::Walk(page), moment);
                let entry = WordId(self.entries.0 + u16::from(page));
                self.access(piece, Thing::Word(entry), false, moment);
                self.access(piece, Thing::Tlb(cpu, page), true, moment);
            }
            What::Loses => {
                let piece = self.begin(cpu, in_handler, Start::Lost, moment);
                self.access(piece, Thing::Pending(cpu), true, moment);
            }
            What::GivesUp => {
                self.begin(cpu, in_handler, Start::GiveUp, moment);
            }
            What::Moves { .. } | What::Switches { .. } => {
                return unforced(
                    moment,
                    "which the scheduler decides; a parked CPU runs no other thread",
                );
            }
            What::Expires => {
                return unforced(moment, "which is a matter of time, and no point is at it");
            }
            What::Repeats | What::Accepts | What::Disturbs | What::TakesNmi { .. } => {
                return unforced(moment, "for which there is no command");
            }
        }
        Ok(())
    }

    fn ask(&mut self, moment: usize, cpu: usize, in_handler: bool, op: Op) {
        if op.serialises() || (matches!(op, Op::Fence(Fence::Full))) {
            let sends = matches!(op, Op::Send(_));
            if !sends || self.scene.send_fences {
                self.drain(cpu, moment);
            }
        }
        if let Some(point) = self.stop(cpu, op) {
            if point == Point::PteStore {
                self.call(moment, cpu);
            }
            self.begin(cpu, in_handler, Start::At(point), moment);
        }
        let state = &self.cpus[cpu];
        let Some(piece) = (if in_handler {
            state.handler
        } else {
            state.thread
        }) else {
            return;
        };
        self.accesses(piece, moment, cpu, op);
        let stored = match op {
            Op::Store { point, .. } => point.filter(|&point| point != Point::PteStore),
            _ => None,
        };
        if let Some(point) = stored.filter(|_| self.fine) {
            self.begin(cpu, in_handler, Start::Behind(point), moment);
        }
    }

    /// The point at which a CPU can be parked before `op`. Several entries change at one.
    fn stop(&mut self, cpu: usize, op: Op) -> Option<Point> {
        let point = match op {
            Op::Point(point) | Op::Work(point, ..) => Some(point),
            Op::Store { point, .. } | Op::Modify { point, .. } => point,
            Op::Send(_) => Some(Point::Send),
            _ => None,
        };
        let changed = self.cpus[cpu].changed;
        point.filter(|&point| point != Point::PteStore || !changed)
    }

    /// A call begins with its change of entries.
    fn call(&mut self, moment: usize, cpu: usize) {
        let (mut number, mut at) = (0, self.cpus[cpu].last);
        while let Some(piece) = at {
            number += usize::from(matches!(self.pieces[piece].start, Start::Call { .. }));
            at = self.pieces[piece].before;
        }
        let mut threads = self.scene.threads.iter();
        let script = threads.find(|script| usize::from(script.cpu) == cpu);
        let call = script.and_then(|script| script.calls.get(number));
        if let Some(&Call::Change { first, pages, .. }) = call {
            self.cpus[cpu].changed = true;
            self.begin(cpu, false, Start::Call { first, pages }, moment);
        }
    }

    fn accesses(&mut self, piece: usize, moment: usize, cpu: usize, op: Op) {
        match op {
            Op::Load { word, .. } => {
                self.access(piece, Thing::Word(word), false, moment);
            }
            Op::Store { word, .. } => {
                let place = self.access(piece, Thing::Word(word), true, moment);
                self.pieces[piece].accesses[place].seen = usize::MAX;
                self.cpus[cpu].buffer.push((word, piece, place));
            }
            Op::Modify { word, .. } => {
                self.access(piece, Thing::Word(word), true, moment);
            }
            Op::Send(targets) => {
                for target in targets {
                    self.access(piece, Thing::Pending(target.index()), true, moment);
                }
            }
            Op::InterruptsOff | Op::InterruptsOn => {
                self.access(piece, Thing::Masked(cpu), true, moment);
            }
            Op::Invlpg(page) => {
                self.access(piece, Thing::Tlb(cpu, page), true, moment);
            }
            Op::ReloadCr3 | Op::FlushGlobal => {
                for page in 0..self.scene.pages {
                    self.access(piece, Thing::Tlb(cpu, page), true, moment);
                }
            }
            _ => {}
        }
    }

    /// Every store of the CPU is visible from here on.
    fn drain(&mut self, cpu: usize, moment: usize) {
        for (_, piece, place) in std::mem::take(&mut self.cpus[cpu].buffer) {
            self.pieces[piece].accesses[place].seen = moment;
        }
    }

    fn commit(&mut self, cpu: usize, word: WordId, moment: usize) {
        let buffer = &mut self.cpus[cpu].buffer;
        if let Some(index) = buffer.iter().position(|(other, ..)| *other == word) {
            let (_, piece, place) = buffer.remove(index);
            self.pieces[piece].accesses[place].seen = moment;
        }
    }
}

fn unforced(moment: usize, why: &str) -> Result<(), Unforced> {
    Err(Unforced {
        moment: Some(moment),
        why: why.into(),
    })
}
