//! Shootdowns as a picture: a lane for each CPU, one step after the other to the right.
//!
//! Steps stand in their order and not at their times: a change of the kernel that makes something a tick longer
//! changes no picture.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;

use evidence::timeline::Shootdown;
use evidence::{Event, Kind, Record, Timeline};
use shootdown::{CpuId, CpuSet, Point};

use super::svg;

const WIDTH: usize = 1160;
const LEFT: usize = 82;
const LANE: usize = 104;
const TOP: usize = 84;

/// A picture of the shootdowns of these numbers, from the first change of a page table among them to the last
/// target's end. A quiet one names only steps that change what others see.
#[must_use]
pub fn picture(timeline: &Timeline, numbers: RangeInclusive<usize>, quiet: bool) -> String {
    let drawing = Drawing::new(timeline, &timeline.shootdowns()[numbers]);
    let said = drawing.said();
    let (height, parts) = drawing.parts(quiet);
    let style = ".lane{stroke:#8a97a3;stroke-width:1.5}.stale{fill:url(#h)}.run{fill:#1864ab;fill-opacity:.17;stroke:#1864ab}\
                 .wait{stroke:#2b8a3e;stroke-width:3;stroke-dasharray:6 4}.ipi{stroke:#1864ab;stroke-width:2;fill:none;marker-end:url(#m)}\
                 .lost{stroke:#d9480f;stroke-width:2;stroke-dasharray:4 4;fill:none}.ack{stroke:#2b8a3e;stroke-width:1.5;stroke-dasharray:2 4;marker-end:url(#n)}\
                 .off{fill:#6b4fa0;fill-opacity:.2}text{fill:#1f2933;font-size:15px}.cpu{font-size:18px;font-weight:bold}\
                 .step{font-size:15px}.bad{fill:#b03a00;font-weight:bold}.dot{fill:#1f2933}.dot.bad{fill:#d9480f}.key{font-size:15px;fill:#455}";
    svg::whole(WIDTH, height, "Shootdowns in lanes", &said, style, &parts)
}

/// A step that is shown.
struct Step<'t> {
    index: usize,
    record: &'t Record,
    label: String,
    bad: bool,
}

struct Drawing<'t> {
    timeline: &'t Timeline,
    shootdowns: &'t [Shootdown],
    cpus: Vec<CpuId>,
    steps: Vec<Step<'t>>,
    first: usize,
    last: usize,
}

impl<'t> Drawing<'t> {
    fn new(timeline: &'t Timeline, shootdowns: &'t [Shootdown]) -> Self {
        let begins = shootdowns
            .iter()
            .map(|it| it.stores.first().copied().unwrap_or(it.begin).min(it.begin));
        let first = begins.min().unwrap_or(0);
        let last = shootdowns
            .iter()
            .map(|it| last_of(timeline, it))
            .max()
            .unwrap_or(first);
        let cpus = shootdowns.iter().fold(CpuSet::EMPTY, |cpus, it| {
            cpus.with(it.initiator).or(it.targets()).or(it.holders)
        });
        let mut steps: Vec<Step<'_>> = Vec::new();
        for (index, record) in timeline
            .records()
            .iter()
            .enumerate()
            .take(last + 1)
            .skip(first)
        {
            if !cpus.contains(record.cpu) {
                continue;
            }
            let Some((label, bad)) = label(record) else {
                continue;
            };
            // A run of the same store, to one target after the other, is one step.
            if let Some(before) = steps.last_mut()
                && before.record.cpu == record.cpu
                && record.is(Point::Zero)
                && before.record.is(Point::Zero)
            {
                if let Some(target) = record.place().and_then(|place| place.target) {
                    let _ = write!(before.label, ", {target}");
                }
                continue;
            }
            steps.push(Step {
                index,
                record,
                label,
                bad,
            });
        }
        Self {
            timeline,
            shootdowns,
            cpus: cpus.into_iter().collect(),
            steps,
            first,
            last,
        }
    }

    /// The x of a record: that of the step that it is, or of the next.
    fn x(&self, index: usize) -> usize {
        let column = self.steps.partition_point(|step| step.index < index);
        self.at(column)
    }

    fn at(&self, column: usize) -> usize {
        let room = WIDTH - LEFT - 70;
        LEFT + 26 + column * room / self.steps.len().max(1)
    }

    fn y(&self, cpu: CpuId) -> Option<usize> {
        let lane = self.cpus.iter().position(|&other| other == cpu)?;
        Some(TOP + lane * LANE)
    }

    fn parts(&self, quiet: bool) -> (usize, String) {
        let mut out = String::from(
            "<defs><marker id=\"m\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#1864ab\"/></marker>\
             <marker id=\"n\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#2b8a3e\"/></marker>\
             <pattern id=\"h\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"7\" height=\"7\" fill=\"#ffe3d3\"/><rect width=\"2.4\" height=\"7\" fill=\"#ff9b66\"/></pattern></defs>",
        );
        let end = WIDTH - 16;
        for shootdown in self.shootdowns {
            self.stale(shootdown, end, &mut out);
        }
        self.runs(end, &mut out);
        for &cpu in &self.cpus {
            let y = self.y(cpu).unwrap_or(0);
            let _ = write!(
                out,
                "<line class=\"lane\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{end}\" y2=\"{y}\"/><text class=\"cpu\" x=\"14\" y=\"{}\">CPU {cpu}</text>",
                y + 6
            );
        }
        self.waits(end, &mut out);
        self.arrows(&mut out);
        for (column, step) in self.steps.iter().enumerate() {
            let Some(y) = self.y(step.record.cpu) else {
                continue;
            };
            let x = self.at(column);
            let class = if step.bad { " bad" } else { "" };
            let hidden = quiet
                && !["pte-store", "publish", "zero", "send", "acknowledge", "end"]
                    .iter()
                    .any(|name| step.label.starts_with(name));
            let label = if hidden {
                String::new()
            } else {
                press::markdown::escape(&step.label)
            };
            let _ = write!(
                out,
                "<circle class=\"dot{class}\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>\
                 <text class=\"step{class}\" x=\"{x}\" y=\"{0}\" transform=\"rotate(-38 {x} {0})\">{label}</text>",
                y - 9
            );
        }
        let y = TOP + self.cpus.len() * LANE - 46;
        let _ = write!(
            out,
            "<rect class=\"stale\" x=\"{LEFT}\" y=\"{0}\" width=\"26\" height=\"12\"/><text class=\"key\" x=\"{1}\" y=\"{2}\">may use the old translation</text>\
             <rect class=\"run\" x=\"{3}\" y=\"{0}\" width=\"26\" height=\"12\"/><text class=\"key\" x=\"{4}\" y=\"{2}\">in the interrupt handler</text>\
             <line class=\"wait\" x1=\"{5}\" y1=\"{6}\" x2=\"{7}\" y2=\"{6}\"/><text class=\"key\" x=\"{8}\" y=\"{2}\">waits</text>\
             <line class=\"ipi\" x1=\"{9}\" y1=\"{6}\" x2=\"{10}\" y2=\"{6}\"/><text class=\"key\" x=\"{11}\" y=\"{2}\">interrupt</text>\
             <line class=\"ack\" x1=\"{12}\" y1=\"{6}\" x2=\"{13}\" y2=\"{6}\"/><text class=\"key\" x=\"{14}\" y=\"{2}\">acknowledgement, a store that is seen</text>",
            y - 11,
            LEFT + 34,
            y,
            LEFT + 230,
            LEFT + 264,
            LEFT + 445,
            y - 5,
            LEFT + 475,
            LEFT + 483,
            LEFT + 545,
            LEFT + 575,
            LEFT + 583,
            LEFT + 675,
            LEFT + 705,
            LEFT + 713,
        );
        (y + 16, out)
    }

    /// Where a CPU may use what a shootdown takes away: from the change until it has invalidated.
    fn stale(&self, shootdown: &Shootdown, end: usize, out: &mut String) {
        let Some(&store) = shootdown.stores.first() else {
            return;
        };
        for &cpu in &self.cpus {
            if !shootdown.holders.contains(cpu) {
                continue;
            }
            let gone = self
                .timeline
                .after(cpu, store)
                .iter()
                .copied()
                .find(|&index| {
                    let record = &self.timeline.records()[index];
                    match record.event {
                        Event::Kind(Kind::Invlpg) => shootdown
                            .request
                            .contains(shootdown.request.space, record.a & !0xfff),
                        Event::Kind(Kind::LoadCr3 | Kind::FlushGlobal) => true,
                        _ => false,
                    }
                });
            let from = self.x(store);
            let to = gone
                .filter(|&index| index <= self.last)
                .map_or(end, |index| self.x(index));
            if let Some(y) = self.y(cpu) {
                let _ = write!(
                    out,
                    "<rect class=\"stale\" x=\"{from}\" y=\"{}\" width=\"{}\" height=\"18\"/>",
                    y - 9,
                    to.saturating_sub(from)
                );
            }
        }
    }

    /// Handlers' runs.
    fn runs(&self, end: usize, out: &mut String) {
        for handler in self.timeline.handlers() {
            let leave = handler.leave.unwrap_or(usize::MAX);
            let Some(y) = self.y(handler.cpu) else {
                continue;
            };
            if leave < self.first || handler.enter > self.last {
                continue;
            }
            let from = self.x(handler.enter.max(self.first)).saturating_sub(9);
            let to = if leave > self.last {
                end
            } else {
                self.x(leave)
            };
            let to = if leave <= self.last && self.x(leave) <= from {
                from + 14
            } else {
                to.saturating_sub(9).max(from + 14)
            };
            let _ = write!(
                out,
                "<rect class=\"run\" x=\"{from}\" y=\"{}\" width=\"{}\" height=\"32\" rx=\"4\"/>",
                y - 16,
                to - from
            );
        }
    }

    fn waits(&self, end: usize, out: &mut String) {
        for shootdown in self.shootdowns {
            let wait = shootdown
                .steps
                .iter()
                .copied()
                .find(|&step| self.timeline.records()[step].is(Point::Wait));
            let (Some(wait), Some(y)) = (wait, self.y(shootdown.initiator)) else {
                continue;
            };
            let to = shootdown.end.map_or(end, |index| self.x(index));
            let _ = write!(
                out,
                "<line class=\"wait\" x1=\"{}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\"/>",
                self.x(wait)
            );
        }
    }

    fn arrows(&self, out: &mut String) {
        for arrow in self.timeline.arrows() {
            if arrow.ipi < self.first || arrow.ipi > self.last {
                continue;
            }
            let from = self.timeline.records()[arrow.ipi].cpu;
            let (Some(y1), Some(y2)) = (self.y(from), self.y(arrow.target)) else {
                continue;
            };
            let x1 = self.x(arrow.ipi).saturating_sub(9).max(LEFT);
            let towards =
                |y: usize, other: usize, by: usize| if other > y { y + by } else { y - by };
            match arrow
                .handler
                .map(|run| self.timeline.handlers()[run].enter)
                .filter(|&enter| enter <= self.last)
            {
                Some(enter) => {
                    let x2 = self.x(enter).saturating_sub(9);
                    let _ = write!(
                        out,
                        "<path class=\"ipi\" d=\"M{x1} {} L{x2} {}\"/>",
                        towards(y1, y2, 4),
                        towards(y2, y1, 17)
                    );
                }
                None => {
                    let _ = write!(
                        out,
                        "<path class=\"lost\" d=\"M{x1} {} L{} {}\"/>",
                        towards(y1, y2, 4),
                        x1 + 40,
                        towards(y2, y1, 20)
                    );
                }
            }
        }
        for shootdown in self.shootdowns {
            for &service in &shootdown.services {
                let service = &self.timeline.services()[service];
                let (Some(ack), Some(y1), Some(y2)) = (
                    service.acknowledge,
                    self.y(service.cpu),
                    self.y(shootdown.initiator),
                ) else {
                    continue;
                };
                if service.cpu == shootdown.initiator || ack > self.last {
                    continue;
                }
                let x = self.x(ack);
                let (y1, y2) = if y1 > y2 {
                    (y1 - 5, y2 + 6)
                } else {
                    (y1 + 5, y2 - 6)
                };
                let _ = write!(
                    out,
                    "<line class=\"ack\" x1=\"{x}\" y1=\"{y1}\" x2=\"{}\" y2=\"{y2}\"/>",
                    x + 7
                );
            }
        }
    }

    /// All of it in words, CPU by CPU.
    fn said(&self) -> String {
        let mut by_cpu: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for step in &self.steps {
            by_cpu
                .entry(step.record.cpu.index())
                .or_default()
                .push(&step.label);
        }
        let lanes = by_cpu
            .into_iter()
            .map(|(cpu, steps)| format!("CPU {cpu}: {}.", steps.join("; ")));
        lanes.collect::<Vec<_>>().join(" ")
    }
}

/// The last record that belongs to a shootdown.
fn last_of(timeline: &Timeline, shootdown: &Shootdown) -> usize {
    let end = shootdown.end.or(shootdown.steps.last().copied());
    let left = shootdown.services.iter().filter_map(|&service| {
        let service = &timeline.services()[service];
        let handler = service
            .handler
            .and_then(|run| timeline.handlers()[run].leave);
        handler
            .or(service.executed.last().copied())
            .or(service.acknowledge)
    });
    left.chain(end).max().unwrap_or(shootdown.begin)
}

/// What is written at a record, and whether it should not be there; nothing for what is not shown.
fn label(record: &Record) -> Option<(String, bool)> {
    let plain = |text: &str| Some((text.to_owned(), false));
    match record.event {
        Event::Point(point) => match point {
            Point::PteStore => plain("pte-store"),
            Point::Publish => plain("publish"),
            Point::Generation => Some((format!("generation {}", record.b), false)),
            Point::Zero => {
                let target = record.place().and_then(|place| place.target);
                Some((
                    target.map_or("zero".to_owned(), |target| format!("zero {target}")),
                    false,
                ))
            }
            Point::Send => plain("send"),
            Point::Wait
            | Point::Done
            | Point::Pin
            | Point::Return
            | Point::Invalidate
            | Point::LocalInvalidate
            | Point::Activate => None,
            Point::Notice => plain("notice"),
            Point::Copy => plain("copy"),
            Point::Acknowledge => Some((format!("acknowledge {}", record.b), false)),
        },
        Event::Kind(kind) => match kind {
            Kind::Invlpg => plain("invlpg"),
            Kind::LoadCr3 => plain("load-cr3"),
            Kind::FlushGlobal => plain("flush-global"),
            Kind::FlushCaches => plain("wbinvd"),
            Kind::End => plain(if record.a == 0 { "end" } else { "abandoned" }),
            Kind::Read => {
                let (seen, truth) = (record.b >> 32, record.b & 0xffff_ffff);
                let bad = seen != truth;
                Some((
                    format!("read {seen:#x}{}", if bad { ": old" } else { "" }),
                    bad,
                ))
            }
            Kind::Stale => Some((format!("STALE {:#x}", record.b >> 32), true)),
            Kind::Fault => Some(("fault".to_owned(), true)),
            Kind::Stuck => Some(("stuck".to_owned(), true)),
            Kind::Violation => Some(("violation".to_owned(), true)),
            Kind::Resend => plain("resend"),
            Kind::Nmi => plain("nmi"),
            Kind::Stop => plain("stop"),
            Kind::Resume => plain("resume"),
            _ => None,
        },
    }
}
