//! `watch`: the machine at a glance, again and again.

use super::see::cell;
use super::{HERE, IN_USE, space_of};
use crate::programs::{Group, Program};
use crate::space::{Shoot, Space};
use crate::{boot, machine, park, protocols, stop, thread, violations, witness};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use hw::clock::{self, Deadline};
use hw::paging::Rights;
use hw::percpu::{self, Counter};
use hw::phys::PAGE_SIZE;
use hw::programs::region;
use shell::Failure;
use shell::commands::args;
use shell::report::{Output, Style};
use shell::screen::{Pace, Screen, live, print};
use shootdown::{CpuId, CpuSet, Point, SpaceId};

/// The most CPUs that are drawn.
const CPUS: usize = 8;
/// How wide a column of the TLBs is.
const CELL: usize = 16;
/// Where the first of them begins.
const CELLS: usize = 14;
/// Where the pages lie that `busy` has changed, one for each CPU.
const BUSY: u64 = 0x6000_0000;
/// How long programs may take to end, in microseconds.
const STOP_US: u64 = 2_000_000;

/// `watch`
pub fn watch(args: &args::Watch, output: &mut Output<'_>) -> Result<(), Failure> {
    let busy = if args.busy {
        Some(Busy::start()?)
    } else {
        None
    };
    let mut view = View::new();
    if output.json() || !boot::facts().options.colour || boot::facts().options.script {
        // One frame that tells rates takes two looks.
        wait(args.milliseconds);
        let settings = output.settings();
        let mut screen = Screen::new(settings.columns.max(80), shell::screen::ROWS);
        view.draw(&mut screen);
        drop(busy);
        print(output, &screen);
        return Ok(());
    }
    let pace = Pace {
        milliseconds: args.milliseconds,
        baud: args.baud,
    };
    let frames = live(output, pace, &mut |screen| view.draw(screen), &mut wait);
    drop(busy);
    output.field("frames", frames);
    Ok(())
}

/// Waits, but not when something was typed.
fn wait(milliseconds: u64) {
    let deadline = Deadline::after_us(milliseconds * 1000);
    while !deadline.expired() && !crate::console::typed() && !crate::console::interrupted() {
        thread::doze();
    }
}

/// Programs on every CPU that have pages of their own changed, so that there is something to see.
struct Busy {
    space: Arc<Space>,
    groups: Vec<Group>,
    pages: u64,
}

impl Busy {
    fn start() -> Result<Busy, Failure> {
        let space = space_of(None)?;
        let program = Program::find("remapper").ok_or_else(|| Failure::new("no remapper"))?;
        let mut busy = Busy {
            space,
            groups: Vec::new(),
            pages: 0,
        };
        for cpu in machine::online() {
            let page = BUSY + busy.pages * PAGE_SIZE;
            busy.space
                .map(page, 1, Rights::USER_READ)
                .map_err(|error| super::memory::refused(error, HERE))?;
            busy.pages += 1;
            let group = Group::launch(&busy.space, program, &[page, 0], CpuSet::only(cpu));
            busy.groups.push(group.map_err(Failure::new)?);
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.groups.iter().for_each(Group::stop);
        let deadline = Deadline::after_us(STOP_US);
        for group in &self.groups {
            group.wait_unless(|| deadline.expired());
        }
        if self.pages > 0 {
            // Given up, its frames are lost, as every such frame.
            let _ = self.space.unmap(BUSY, self.pages, Shoot::Now);
        }
    }
}

/// What was counted by some time.
#[derive(Clone, Copy, Default)]
struct Counts {
    at: u64,
    shootdowns: u64,
    ipis: u64,
    acknowledgements: u64,
    violations: u64,
}

impl Counts {
    fn now() -> Counts {
        let sum = |count: &dyn Fn(CpuId) -> u64| machine::started().into_iter().map(count).sum();
        let passed = |point| sum(&|cpu| percpu::of(cpu).passed(point));
        Counts {
            at: clock::now(),
            shootdowns: passed(Point::Publish),
            ipis: sum(&|cpu| percpu::of(cpu).counted(Counter::IpisSent)),
            acknowledgements: passed(Point::Acknowledge),
            violations: violations::count(),
        }
    }

    /// `what` a second, since `before`. Counts may have been set to 0 meanwhile.
    fn rate(&self, before: &Counts, what: fn(&Counts) -> u64) -> u64 {
        let (ticks, count) = (
            self.at.saturating_sub(before.at),
            what(self).saturating_sub(what(before)),
        );
        let rate = u128::from(count) * u128::from(clock::tsc_hz()) / u128::from(ticks.max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// What is drawn.
struct View {
    before: Counts,
    row: usize,
}

impl View {
    fn new() -> View {
        View {
            before: Counts::now(),
            row: 0,
        }
    }

    fn draw(&mut self, screen: &mut Screen) {
        self.row = 0;
        self.rates(screen);
        let all = machine::started();
        let cpus: Vec<CpuId> = all.into_iter().take(CPUS).collect();
        self.cpus(&cpus, all.len(), screen);
        self.words(&cpus, screen);
        self.tlbs(&cpus, screen);
    }

    fn line(&mut self, screen: &mut Screen, text: &str, style: Option<Style>) {
        screen.put(self.row, 0, text, style);
        self.row += 1;
    }

    fn rates(&mut self, screen: &mut Screen) {
        let now = Counts::now();
        let rate = |what| now.rate(&self.before, what);
        let line = format!(
            "per second: {} shootdowns, {} IPIs, {} acknowledged",
            rate(|counts| counts.shootdowns),
            rate(|counts| counts.ipis),
            rate(|counts| counts.acknowledgements),
        );
        let stale = rate(|counts| counts.violations);
        self.before = now;
        self.line(screen, &line, Some(Style::Strong));
        let style = if now.violations == 0 {
            Style::Dim
        } else {
            Style::Bad
        };
        let witnesses = match witness::watched() {
            Some(space) => format!("witnesses watch space {space}"),
            None => "no witnesses".to_string(),
        };
        let line = format!(
            "stale reads: {} since boot, {stale} per second; {witnesses}; q leaves",
            now.violations
        );
        self.line(screen, &line, Some(style));
    }

    fn cpus(&mut self, cpus: &[CpuId], all: usize, screen: &mut Screen) {
        let threads = thread::views();
        let heading = "CPU  DOES                                          SPACE  WAITS FOR";
        self.line(screen, heading, Some(Style::Dim));
        for &cpu in cpus {
            let (does, style) = doing(cpu, &threads);
            let space = percpu::of(cpu).current_space();
            let row = self.row;
            screen.put(row, 0, &format!("{:>3}", cpu.index()), None);
            screen.put(row, 5, does.get(..45).unwrap_or(&does), style);
            screen.put(row, 51, &format!("{space:>5}"), None);
            let waits = protocols::waits_for(cpu);
            if !waits.is_empty() {
                screen.put(row, 58, &format!("CPUs {waits}"), Some(Style::Warn));
            }
            self.row += 1;
        }
        if all > cpus.len() {
            self.line(
                screen,
                &format!("and {} more", all - cpus.len()),
                Some(Style::Dim),
            );
        }
    }

    /// The words between initiators and targets.
    fn words(&mut self, cpus: &[CpuId], screen: &mut Screen) {
        let in_use = protocols::in_use();
        let row = self.row;
        self.line(
            screen,
            &format!("{:<18} from", in_use.name),
            Some(Style::Dim),
        );
        for (number, initiator) in cpus.iter().enumerate() {
            let heading = format!("{:>7}", initiator.index());
            screen.put(row, 24 + 7 * number, &heading, Some(Style::Dim));
        }
        for &target in cpus {
            let row = self.row;
            screen.put(row, 0, &format!("{:>3}", target.index()), None);
            for (number, &initiator) in cpus.iter().enumerate() {
                let Some(word) = protocols::slot(target, initiator) else {
                    continue;
                };
                let pending = protocols::outstanding(initiator).contains(target);
                let style = pending.then_some(Style::Bad);
                // The lower digits are those that change.
                let text = format!("{:>7}", word % 1_000_000);
                screen.put(row, 24 + 7 * number, &text, style);
            }
            self.row += 1;
        }
    }

    fn tlbs(&mut self, cpus: &[CpuId], screen: &mut Screen) {
        let id = witness::watched().unwrap_or(SpaceId(IN_USE.load(Relaxed)));
        let Some(space) = crate::space::find(id) else {
            return;
        };
        let row = self.row;
        let room = screen.columns().saturating_sub(CELLS) / CELL;
        self.line(screen, &format!("TLBs of {id}"), Some(Style::Dim));
        for (number, cpu) in cpus.iter().take(room).enumerate() {
            let heading = format!("CPU {}", cpu.index());
            screen.put(row, CELLS + CELL * number, &heading, Some(Style::Dim));
        }
        let pages = space.pages().into_iter().map(|(page, _)| page);
        let pages = pages.filter(|page| !(region::START..region::END).contains(page));
        let rows = screen.rows().saturating_sub(self.row);
        for page in pages.take(rows) {
            screen.put(self.row, 0, &format!("{page:#x}"), None);
            for (number, &cpu) in cpus.iter().take(room).enumerate() {
                let cell = cell(&space, page, cpu);
                let text = cell.text.get(..CELL - 1).unwrap_or(&cell.text);
                screen.put(self.row, CELLS + CELL * number, text, cell.style);
            }
            self.row += 1;
        }
    }
}

/// What a CPU does, in words.
fn doing(cpu: CpuId, threads: &[thread::View]) -> (String, Option<Style>) {
    if let Some(parked) = park::where_is(cpu) {
        return (parked.doing(), Some(Style::Warn));
    }
    if stop::stopped().contains(cpu) {
        return ("stopped".to_string(), Some(Style::Warn));
    }
    let running = percpu::of(cpu).running_thread();
    let name = threads.iter().find(|thread| thread.index == running);
    match name.map(|thread| thread.name.as_str()) {
        Some(name) if name.starts_with("idle") => ("idle".to_string(), Some(Style::Dim)),
        Some("shell") if cpu == HERE => ("the shell: this view".to_string(), None),
        Some(name) => (name.to_string(), None),
        None => ("?".to_string(), None),
    }
}
