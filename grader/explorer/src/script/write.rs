//! The pieces, in their order, as commands.

use super::About;
use super::pieces::{Piece, Start, Thing, Unforced};
use crate::code::Source;
use crate::host::address;
use crate::op::Op;
use crate::report;
use crate::story::{Moment, What};
use crate::violation::Violation;
use shootdown::{CpuId, CpuSet, Point};
use std::fmt::Write;

/// How long a wait lasts before it is given up where the schedule says so: less than a `step` waits for.
const GIVEN_UP: &str = "watchdog after 5ms give-up";
/// How long all others may last.
const PATIENT: &str = "watchdog after 10000ms give-up";
/// How long those that nothing ends last.
const HANGS: &str = "watchdog after 20ms give-up";

struct Writer<'a> {
    about: &'a About<'a>,
    pieces: &'a [Piece],
    text: String,
    /// Where each CPU's thread stands: the piece that it would go on with.
    stands: Vec<Option<usize>>,
    /// And its handler.
    in_handler: Vec<Option<usize>>,
    /// The CPUs to which an interrupt is on its way.
    pending: CpuSet,
    /// Steps that are not written yet: of which CPU, to which points.
    steps: Option<(usize, Vec<Point>)>,
}

/// The script.
///
/// # Errors
/// [`Unforced`].
pub(super) fn write(
    about: &About<'_>,
    pieces: &[Piece],
    order: &[usize],
) -> Result<String, Unforced> {
    let cpus = about.scene.scene.cpus;
    let mut writer = Writer {
        about,
        pieces,
        text: String::new(),
        stands: vec![None; cpus],
        in_handler: vec![None; cpus],
        pending: CpuSet::EMPTY,
        steps: None,
    };
    writer.head();
    for &index in order {
        writer.piece(index)?;
    }
    writer.flush();
    writer.takes_interrupts()?;
    writer.end();
    Ok(writer.text)
}

/// The machine's number of the scene's CPU: 0 has the shell.
fn number(cpu: usize) -> usize {
    cpu + 1
}

fn numbers(cpus: CpuSet) -> CpuSet {
    let shifted = cpus.into_iter().map(|cpu| CpuId::new(number(cpu.index())));
    shifted.flatten().collect()
}

impl Writer<'_> {
    fn line(&mut self, line: impl std::fmt::Display) {
        self.flush();
        let _ = writeln!(self.text, "{line}");
    }

    fn head(&mut self) {
        let (about, scene) = (self.about, &self.about.scene.scene);
        self.line(format_args!(
            "# A schedule of scene `{}`, step by step: {}.",
            about.scene.name, about.scene.doc
        ));
        self.line("# CPU 0 has the shell; the scene's CPU 0 is CPU 1 here, its CPU 1 is CPU 2, and so on.");
        let rule = match about.invariant {
            0 => String::new(),
            number => format!(" (I{number}: {})", report::rule(number)),
        };
        self.line(format_args!(
            "# By the scene's numbers it leads to this: {}{rule}.",
            about.violation
        ));
        self.line(format_args!(
            "# cargo kit trace --judge {} --deterministic --script THIS-FILE",
            about.machine
        ));
        self.line("# It succeeds if that comes about. Code that takes other steps fails at an `expect`.\n");
        let all = numbers(CpuSet::first(scene.cpus));
        self.line(format_args!("map {:#x} {}", address(0), scene.pages));
        for page in 0..scene.pages {
            self.line(format_args!("read {:#x} on {all}", address(page)));
        }
        self.line("fault send hold");
        self.line(PATIENT);
    }

    /// Says whose turn it is.
    fn turn(&mut self, piece: &Piece) {
        let moment = &self.about.story.moments[piece.moment];
        let place = if piece.in_handler {
            ", in its handler"
        } else {
            ""
        };
        // The model's own source tells nobody anything.
        let own = |at: &&Source| !at.file().ends_with("host.rs");
        let source = match moment.at.as_ref().filter(own) {
            Some(at) => format!(" ({})", report::source(Some(at))),
            None => String::new(),
        };
        self.line(format_args!("\n# CPU {}{place}{source}", number(piece.cpu)));
    }

    fn piece(&mut self, index: usize) -> Result<(), Unforced> {
        let piece = &self.pieces[index];
        self.announce(piece);
        let cpu = number(piece.cpu);
        match piece.start {
            Start::Call { first, pages } => {
                self.turn(piece);
                self.line(format_args!("break pte-store cpu {cpu} 1*"));
                // A command that remaps several pages shoots each by itself.
                let command = if pages == 1 { "remap" } else { "unmap" };
                self.line(format_args!(
                    "{command} {:#x} {pages} from {cpu}",
                    address(first)
                ));
                self.line(format_args!("expect last.parked has {cpu}"));
            }
            Start::Interrupt => {
                self.turn(piece);
                let stop = self.arm(piece, true);
                self.line(format_args!("deliver {cpu}"));
                if stop {
                    self.line(format_args!("expect last.parked has {cpu}"));
                }
                self.pending = self.pending.without(id(piece.cpu));
            }
            Start::Lost => {
                self.line(format_args!("\ndeliver {cpu} lost"));
                self.pending = self.pending.without(id(piece.cpu));
            }
            Start::Walk(page) => {
                self.line(format_args!("\nread {:#x} on {cpu}", address(page)));
            }
            Start::GiveUp => self.give_up(piece)?,
            Start::At(_) | Start::Behind(_) => {
                let given_up = |next: usize| self.pieces[next].start == Start::GiveUp;
                if !piece.is_endless() && !piece.after.is_some_and(given_up) {
                    self.go_on(piece);
                }
            }
        }
        self.stand(piece);
        Ok(())
    }

    /// Interrupts that the piece sends.
    fn announce(&mut self, piece: &Piece) {
        if piece.start != Start::At(Point::Send) {
            return;
        }
        for access in &piece.accesses {
            if let Thing::Pending(cpu) = access.thing {
                self.pending = self.pending.with(id(cpu));
            }
        }
    }

    /// Where the CPU of `piece` stands after it.
    fn stand(&mut self, piece: &Piece) {
        match piece.start {
            Start::Lost | Start::Walk(_) => {}
            _ if piece.in_handler => self.in_handler[piece.cpu] = piece.after,
            _ if piece.is_endless() => {}
            _ => {
                let next = piece.after.filter(|_| !piece.ends);
                self.stands[piece.cpu] = next;
            }
        }
    }

    /// Sets a break where the CPU is to stand after `piece`, if a step does not lead there. Returns whether it did.
    fn arm(&mut self, piece: &Piece, also_points: bool) -> bool {
        let cpu = number(piece.cpu);
        match piece.after.map(|next| self.pieces[next].start) {
            Some(Start::At(point)) if also_points => {
                self.line(format_args!("break {point} cpu {cpu} 1*"));
            }
            Some(Start::Behind(point)) => {
                self.line(format_args!("break {point} stored cpu {cpu} 1*"));
            }
            _ => return false,
        }
        true
    }

    /// Lets the CPU, which stands where `piece` begins, go on to the end of it.
    fn go_on(&mut self, piece: &Piece) {
        let cpu = number(piece.cpu);
        if self
            .steps
            .as_ref()
            .is_none_or(|(other, _)| *other != piece.cpu)
        {
            self.turn(piece);
        }
        if self.arm(piece, false) {
            self.line(format_args!("continue {cpu}"));
            self.line(format_args!("expect last.parked has {cpu}"));
            return;
        }
        // A handler that ends leads back to where the CPU stood before.
        let next = match piece.after {
            None if piece.in_handler && piece.ends => self.stands[piece.cpu],
            Some(next) if !piece.ends || piece.in_handler => Some(next),
            _ => None,
        };
        let point = next.and_then(|next| match self.pieces[next].start {
            Start::At(point) | Start::Behind(point) => Some(point),
            _ => None,
        });
        match point {
            Some(point) => match &mut self.steps {
                Some((_, points)) => points.push(point),
                None => self.steps = Some((piece.cpu, vec![point])),
            },
            None => self.line(format_args!("step {cpu}")),
        }
    }

    /// Writes the steps that are left to be.
    fn flush(&mut self) {
        let Some((cpu, points)) = self.steps.take() else {
            return;
        };
        let cpu = number(cpu);
        let _ = match &points[..] {
            [point] => writeln!(self.text, "step {cpu}\nexpect last.point == {point}"),
            _ => {
                let names: Vec<_> = points.iter().map(|point| point.name()).collect();
                writeln!(
                    self.text,
                    "for point in {} {{\n  step {cpu}\n  expect last.point == $point\n}}",
                    names.join(" ")
                )
            }
        };
    }

    fn give_up(&mut self, piece: &Piece) -> Result<(), Unforced> {
        let all = (0..self.stands.len()).filter(|&cpu| cpu != piece.cpu);
        let parked = |cpu: usize| self.stands[cpu].is_some() || self.in_handler[cpu].is_some();
        if let Some(other) = all.into_iter().find(|&cpu| parked(cpu)) {
            return Err(Unforced {
                moment: Some(piece.moment),
                why: format!("and patience does not count while CPU {other} is parked"),
            });
        }
        self.turn(piece);
        self.line(GIVEN_UP);
        self.go_on(piece);
        self.line(PATIENT);
        Ok(())
    }

    /// Refuses a hang for want of a CPU whose call is over: the kernel takes interrupts again after a command.
    fn takes_interrupts(&self) -> Result<(), Unforced> {
        let moments = &self.about.story.moments;
        for cpu in self.pending {
            let masks = |moment: &Moment| {
                let op = match moment.what {
                    What::Asks { op, .. } if moment.cpu == cpu && !moment.in_handler => op,
                    _ => return false,
                };
                matches!(op, Op::InterruptsOff | Op::InterruptsOn)
            };
            let last = moments.iter().rposition(masks);
            let off = |number: &usize| {
                matches!(
                    moments[*number].what,
                    What::Asks {
                        op: Op::InterruptsOff,
                        ..
                    }
                )
            };
            let waits = self.stands[cpu.index()].is_some();
            if let Some(moment) = last.filter(|_| !waits).filter(off) {
                return Err(Unforced {
                    moment: Some(moment),
                    why: "and leaves them so; the kernel turns them on again when its command has ended".into(),
                });
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.line("");
        match *self.about.violation {
            Violation::Stale { cpu, page, .. } | Violation::Foreign { cpu, page } => {
                let cpu = number(cpu.index());
                self.line(format_args!("read {:#x} on {cpu}", address(page)));
                self.line("expect last.verdict != fresh");
            }
            Violation::Hang { waiting } => {
                if !self.pending.is_empty() {
                    self.line(format_args!("deliver {}", numbers(self.pending)));
                }
                self.line(HANGS);
                self.line("continue");
                // Whoever gives up first may free the others.
                self.line(format_args!("expect hang on {}", numbers(waiting)));
            }
            // Nothing of those comes this far.
            Violation::ReadByNmi { .. } | Violation::Silent { .. } => {}
            Violation::Panic { .. } | Violation::Livelock { .. } => {
                self.line("# Not reached: the kernel has panicked.");
                self.line("quit 1");
            }
        }
    }
}

fn id(cpu: usize) -> CpuId {
    crate::machine::id(cpu)
}
