//! Commands that show what TLBs hold: the ledger, and the witnesses.

use super::memory::residency;
use super::{HERE, shows_staleness, space_of};
use crate::ledger::{Read, Retired};
use crate::space::Space;
use crate::witness::{self, Find, NotStarted, Status};
use crate::{machine, park, stop};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, vec};
use hw::frames::POISON;
use hw::percpu;
use hw::phys::PAGE_SIZE;
use hw::programs::{block, region};
use shell::Failure;
use shell::commands::{WitnessAction, args};
use shell::report::{Output, Style, Table, Value};
use shootdown::{CpuId, CpuSet};

/// The most pages that one `tlb` draws.
const MOST_ROWS: usize = 64;

/// What a CPU may hold of a page, and how far that is known.
pub struct Cell {
    /// As it is shown.
    pub text: String,
    /// How it is set off.
    pub style: Option<Style>,
    /// Whether it is, or may be, a translation that is no longer in force.
    pub stale: bool,
}

impl Cell {
    fn new(text: impl ToString, style: Option<Style>, stale: bool) -> Cell {
        Cell {
            text: text.to_string(),
            style,
            stale,
        }
    }

    fn value(self) -> Value {
        let value = Value::from(self.text);
        match self.style {
            Some(style) => value.styled(style),
            None => value,
        }
    }
}

/// A tag as it is shown; the words that mean something else by name.
fn tag(tag: u64) -> String {
    match tag {
        POISON => "freed".to_string(),
        block::ABSENT => "nothing".to_string(),
        tag => format!("{tag:#x}"),
    }
}

/// What `cpu` may hold of `page`, by the ledger.
pub fn cell(space: &Space, page: u64, cpu: CpuId) -> Cell {
    if percpu::of(cpu).current_space() != space.id().0 {
        return Cell::new("-", Some(Style::Dim), false);
    }
    let now = space.look_closely(page);
    let history = space.history();
    let (held, unknown) = (history.held(page, cpu), history.unknown(page, cpu));
    let read = history.read_since(page, cpu);
    let changed = history.changed(page);
    drop(history);
    if let Some(old) = stale(&held, read, changed) {
        let (how, rights) = (
            certainty(read),
            other_rights(old, now.map(|(entry, _)| entry)),
        );
        return Cell::new(
            format!("{}{rights}{how} STALE", tag(old.tag)),
            Some(Style::Bad),
            true,
        );
    }
    match now {
        _ if unknown => Cell::new("?", Some(Style::Warn), false),
        Some((_, now)) => {
            let style = read.map_or(Style::Dim, |_| Style::Good);
            Cell::new(
                format!("{}{}", tag(now), certainty(read)),
                Some(style),
                false,
            )
        }
        None => Cell::new("-", Some(Style::Dim), false),
    }
}

/// The dead translation that the CPU may hold, if any: the oldest of those it `held` when a read
/// found a dead one, or when there was no read since the last change.
fn stale(held: &[Retired], read: Option<Read>, changed: u64) -> Option<&Retired> {
    match read {
        Some(read) if read.fresh && read.at > changed => None,
        _ => held.first(),
    }
}

fn certainty(read: Option<Read>) -> &'static str {
    match read {
        Some(read) if read.hit => "*",
        Some(_) => "",
        None => "?",
    }
}

/// What `old` allowed, where only that is different.
fn other_rights(old: &Retired, now: Option<hw::paging::Entry>) -> &'static str {
    match now {
        Some(now) if now.frame() == old.frame && old.rights.writable() => " rw",
        Some(now) if now.frame() == old.frame => " ro",
        _ => "",
    }
}

/// `tlb`
pub fn tlb(args: &args::Tlb, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let cpus = args.on.resolve(HERE, machine::started());
    let pages = pages(&space, args);
    let standing = cpus.and(stop::stopped().or(park::parked()));
    let shown = &pages[..pages.len().min(MOST_ROWS)];
    if args.confirm {
        confirm(&space, shown, cpus.minus(stop::stopped()))?;
    }
    output.field("space", space.id());
    let mut columns = vec!["page".to_string(), "page_table_says".to_string()];
    columns.extend(cpus.into_iter().map(|cpu| format!("cpu{cpu}")));
    let mut table = Table::new(columns);
    let mut stale = CpuSet::EMPTY;
    for &page in shown {
        let now = space.look(page);
        let mut row: Vec<Value> = vec![
            Value::hex(page),
            now.map_or(Value::from("not mapped"), |now| tag(now).into()),
        ];
        for cpu in cpus {
            let cell = cell(&space, page, cpu);
            if cell.stale {
                stale = stale.or(CpuSet::only(cpu));
            }
            row.push(cell.value());
        }
        table.row(row);
    }
    output.table("tlb", table);
    output.field("stale_on", stale);
    if shown.is_empty() {
        output.note("nothing is mapped, and no CPU can hold anything that was: `map ADDRESS`");
    }
    if pages.len() > shown.len() {
        output.note(format_args!(
            "{} more pages are left out: tlb ADDRESS PAGES",
            pages.len() - shown.len()
        ));
    }
    if !standing.is_empty() {
        output.note(format_args!(
            "CPUs {standing} stand still: shown from the books"
        ));
    }
    if args.confirm {
        output.note("a CPU that held nothing of a mapped page holds it now: the probe loaded it");
    }
    Ok(())
}

/// The pages to draw: those asked for, or those that are mapped or that a TLB may still hold, the
/// ring-3 programs' own left out.
fn pages(space: &Space, args: &args::Tlb) -> Vec<u64> {
    if let Some(first) = args.address {
        let page = |number| first.get().checked_add(number * PAGE_SIZE);
        return (0..args.pages).map_while(page).collect();
    }
    let mut pages: Vec<u64> = space.pages().into_iter().map(|(page, _)| page).collect();
    pages.extend(space.history().pages(space.id()));
    pages.retain(|page| !(region::START..region::END).contains(page));
    pages.sort_unstable();
    pages.dedup();
    pages
}

/// Looks at each of `pages` on each of `cpus`, and enters what was there.
fn confirm(space: &Arc<Space>, pages: &[u64], cpus: CpuSet) -> Result<(), Failure> {
    for &page in pages {
        for cpu in cpus {
            if percpu::of(cpu).current_space() != space.id().0 {
                continue;
            }
            residency(space, cpu, page)?;
        }
    }
    Ok(())
}

/// `witness`
pub fn witness(args: &args::Witness, output: &mut Output<'_>) -> Result<(), Failure> {
    let status = match args.action {
        WitnessAction::Start => {
            shows_staleness()?;
            return start(args, output);
        }
        WitnessAction::Status => witness::status(),
        WitnessAction::Stop => witness::stop(),
    };
    let status = status
        .ok_or_else(|| Failure::new("no witness was started").hint("witness start ADDRESS"))?;
    tell(&status, args.action == WitnessAction::Stop, output);
    if status.silent.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "the witnesses on CPUs {} did not read every page in time",
        status.silent
    ))
    .hint("backtrace CPU"))
}

fn start(args: &args::Witness, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let (first, pages) = range(&space, args)?;
    let cpus = args
        .on
        .map_or(machine::online(), |on| on.resolve(HERE, machine::online()));
    witness::start(&space, first, pages as usize, cpus).map_err(|why| match why {
        NotStarted::Running(space) => Failure::new(format_args!(
            "witnesses watch address space {space} already"
        ))
        .hint("witness stop"),
        NotStarted::Launch(why) => Failure::new(why),
    })?;
    output.field("space", space.id());
    output.field("first_page", Value::hex(first));
    output.field("pages", pages);
    output.field("on", cpus);
    Ok(())
}

/// The pages to watch: those asked for, or the first that are mapped side by side.
fn range(space: &Space, args: &args::Witness) -> Result<(u64, u64), Failure> {
    let most = programs_most();
    if let Some(first) = args.address {
        let pages = args.pages.unwrap_or(1);
        let end = first.get() + pages * PAGE_SIZE;
        if end > region::START && first.get() < region::END || end > hw::paging::USER_END {
            return Err(Failure::new("these pages are not for witnesses")
                .expected("pages of the user half that are not the ring-3 programs' own"));
        }
        return Ok((first.get(), pages));
    }
    let mut pages = space
        .pages()
        .into_iter()
        .map(|(page, _)| page)
        .filter(|page| !(region::START..region::END).contains(page));
    let first = pages
        .next()
        .ok_or_else(|| Failure::new("nothing is mapped to be watched").hint("map 0x400000"))?;
    let behind = pages
        .zip(1..args.pages.unwrap_or(most))
        .take_while(|&(page, number)| page == first + number * PAGE_SIZE)
        .count();
    Ok((first, 1 + behind as u64))
}

const fn programs_most() -> u64 {
    block::WATCHED as u64
}

fn tell(status: &Status, stopped: bool, output: &mut Output<'_>) {
    output.field("space", status.space);
    let mut table = Table::new(["cpu", "state", "rounds", "stale_reads"]);
    for &(cpu, rounds, ended, stale) in &status.witnesses {
        let state = match () {
            () if status.standing.contains(cpu) => Value::from("stands still").styled(Style::Warn),
            () if ended => Value::from("ended").styled(Style::Bad),
            () if status.silent.contains(cpu) => Value::from("silent").styled(Style::Bad),
            () => Value::from("reads"),
        };
        table.row([cpu.into(), state, rounds.into(), stale.into()]);
    }
    output.table("witnesses", table);
    output.table("pages", pages_table(status));
    let style = if status.found == 0 {
        Style::Good
    } else {
        Style::Bad
    };
    output.field("violations", Value::from(status.found).styled(style));
    if !status.finds.is_empty() {
        output.table("stale", finds(&status.finds));
    }
    if status.written > 0 {
        output.note(format_args!(
            "{} times a page turned out to have been written to: it is judged by what it holds now",
            status.written
        ));
    }
    if stopped {
        output.note("the witnesses are gone");
    }
}

fn pages_table(status: &Status) -> Table {
    let mut columns = vec![
        "page".to_string(),
        "must_show".to_string(),
        "settled_for".to_string(),
    ];
    columns.extend(status.witnesses.iter().map(|(cpu, ..)| format!("cpu{cpu}")));
    let mut table = Table::new(columns);
    for page in &status.pages {
        let mut row = vec![
            Value::hex(page.address),
            match page.settled.is_empty() {
                true => Value::nothing(),
                false => tag(page.expected).into(),
            },
            page.settled.into(),
        ];
        row.extend(page.seen.iter().map(|&(cpu, seen)| {
            let value = Value::from(tag(seen));
            match page.settled.contains(cpu) && seen != page.expected {
                true => value.styled(Style::Bad),
                false => value,
            }
        }));
        table.row(row);
    }
    table
}

fn finds(finds: &[Find]) -> Table {
    let mut table = Table::new([
        "cpu",
        "page",
        "what",
        "saw",
        "old_frame",
        "expected",
        "new_frame",
        "generation",
        "shot_by",
        "age",
    ]);
    for find in finds {
        table.row([
            find.cpu.into(),
            Value::hex(find.address),
            Value::from(find.what()).styled(Style::Bad),
            tag(find.seen).into(),
            find.old_frame.map_or(Value::nothing(), Value::hex),
            tag(find.expected).into(),
            find.new_frame.map_or(Value::nothing(), Value::hex),
            find.generation.into(),
            find.initiator.into(),
            find.age.into(),
        ]);
    }
    table
}
