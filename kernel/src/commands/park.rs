//! `break`, `step`, `continue`: parking CPUs at points.

use super::HERE;
use super::background::{self, Watch};
use crate::park::{self, MAX_BREAKS, Parked};
use crate::{faults, machine, protocols};
use alloc::format;
use alloc::vec::Vec;
use hw::percpu;
use shell::Failure;
use shell::breakpoint::BreakSubject;
use shell::commands::args;
use shell::report::{Output, Style, Table, Value};
use shootdown::{CpuId, CpuSet, Point};

/// The points at which a protocol writes a word.
const STORES: [Point; 4] = [
    Point::Publish,
    Point::Generation,
    Point::Zero,
    Point::Acknowledge,
];

/// `break`
pub fn set_break(args: &args::Break, output: &mut Output<'_>) -> Result<(), Failure> {
    match args.subject {
        BreakSubject::At(point) if args.stored && !STORES.contains(&point) => {
            let names: Vec<_> = STORES.iter().map(|point| point.name()).collect();
            Err(
                Failure::new(format_args!("at `{point}` a protocol writes no word"))
                    .expected(format_args!("one of {}", names.join(", "))),
            )
        }
        BreakSubject::At(point) => set(point, args, output),
        BreakSubject::Clear => clear(args, output),
        BreakSubject::List => {
            no_set(args, "list")?;
            list(output);
            Ok(())
        }
    }
}

fn set(point: Point, args: &args::Break, output: &mut Output<'_>) -> Result<(), Failure> {
    let online = machine::online();
    let cpus = args.cpu.map_or(online, |cpus| cpus.resolve(HERE, online));
    let from = args.from.map(|cpus| cpus.resolve(HERE, online));
    let number = park::set((point, args.stored), cpus, from, args.times).map_err(|_| {
        Failure::new(format_args!("there are {MAX_BREAKS} breaks already")).hint("break clear")
    })?;
    output.field("break", number);
    output.field("point", point.name());
    if args.stored {
        output.field("stored", true);
    }
    output.field("cpus", cpus);
    output.field("from", from);
    output.field("times", args.times);
    Ok(())
}

/// Refuses what only a new break takes.
fn no_set(args: &args::Break, subject: &str) -> Result<(), Failure> {
    let surplus = [
        (args.cpu.is_some(), "cpu CPU-SET"),
        (args.from.is_some(), "from CPU-SET"),
        (args.times.is_some(), "N*"),
        (args.stored, "stored"),
    ];
    match surplus.into_iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(
            Failure::new(format_args!("`break {subject}` takes no `{name}`"))
                .expected("a point first, where CPUs are to be parked"),
        ),
        None => Ok(()),
    }
}

fn clear(args: &args::Break, output: &mut Output<'_>) -> Result<(), Failure> {
    no_set(args, "clear")?;
    let number = args.number.map(|number| number as u32);
    let cleared = park::clear(number);
    if let (Some(number), 0) = (number, cleared) {
        return Err(Failure::new(format_args!("there is no break {number}")).hint("break list"));
    }
    output.field("cleared", cleared);
    let parked = park::parked();
    if !parked.is_empty() {
        output.note(format_args!(
            "CPUs {parked} are still parked: `continue` lets them run on"
        ));
    }
    Ok(())
}

fn list(output: &mut Output<'_>) {
    let mut breaks = Table::new(["break", "point", "cpus", "from", "left", "hits"]);
    for one in park::breaks() {
        let left = match one.left {
            Some(0) => Value::from(0_u64).styled(Style::Dim),
            Some(left) => left.into(),
            None => Value::from("any"),
        };
        breaks.row([
            one.number.into(),
            place(one.point, one.stored),
            one.cpus.into(),
            one.from.map_or(Value::from("any"), Value::from),
            left,
            one.hits.into(),
        ]);
    }
    output.table("breaks", breaks);
    let mut standing = Table::new(["cpu", "point", "initiator", "generation", "doing"]);
    for parked in park::parked().into_iter().filter_map(park::where_is) {
        standing.row([
            parked.cpu.into(),
            place(parked.point, parked.stored).styled(Style::Warn),
            initiators(&parked),
            parked.generation.into(),
            parked.doing().into(),
        ]);
    }
    output.table("parked", standing);
    if park::missed() > 0 {
        output.field("missed", park::missed());
    }
}

/// The point's name, and whether its store is made there.
fn place(point: Point, stored: bool) -> Value {
    if stored {
        format!("{point} stored").into()
    } else {
        point.name().into()
    }
}

fn initiators(parked: &Parked) -> Value {
    if parked.initiators.is_empty() {
        Value::nothing()
    } else {
        parked.initiators.into()
    }
}

fn nothing_parked() -> Failure {
    Failure::new("no CPU is parked").hint("break POINT")
}

fn not_parked(cpus: impl core::fmt::Display) -> Failure {
    match park::parked() {
        CpuSet::EMPTY => nothing_parked(),
        parked => Failure::new(format_args!("CPU {cpus} is not parked"))
            .expected(format_args!("one that is: {parked}")),
    }
}

/// `step`
pub fn step(args: &args::Step, output: &mut Output<'_>) -> Result<(), Failure> {
    let before = match args.cpu {
        Some(cpu) => park::where_is(cpu).ok_or_else(|| not_parked(cpu))?,
        None => last_parked().ok_or_else(nothing_parked)?,
    };
    let cpu = before.cpu;
    let again = || park::where_is(cpu).filter(|parked| parked.arrival > before.arrival);
    park::step(cpu);
    background::wait_a_little(|| again().is_some());
    background::settle();
    output.field("cpu", cpu);
    match again() {
        Some(parked) => tell_step(&parked, output),
        None => tell_run(cpu, output),
    }
    Ok(())
}

/// `deliver`
pub fn deliver(args: &args::Deliver, output: &mut Output<'_>) -> Result<(), Failure> {
    let cpus = args.cpus.resolve(HERE, machine::online());
    let there = if args.lost {
        faults::lose(cpus)
    } else {
        let before = park::arrivals();
        let there = faults::deliver(cpus);
        if park::engaged() && !there.is_empty() {
            background::wait_a_little(|| park::arrivals() > before);
            background::settle();
        }
        there
    };
    if there.is_empty() {
        return Err(
            Failure::new(format_args!("no interrupt is on its way to CPUs {cpus}"))
                .expected(format_args!("CPUs to which one is: {}", faults::held())),
        );
    }
    output.field(if args.lost { "lost" } else { "delivered" }, there);
    output.field("parked", park::parked());
    Ok(())
}

fn last_parked() -> Option<Parked> {
    park::parked()
        .into_iter()
        .filter_map(park::where_is)
        .max_by_key(|parked| parked.arrival)
}

/// Says where a step led.
fn tell_step(parked: &Parked, output: &mut Output<'_>) {
    park::tell(parked.cpu);
    output.field(
        "point",
        Value::from(parked.point.name()).styled(Style::Warn),
    );
    output.field("initiator", initiators(parked));
    output.field("generation", parked.generation);
    output.field("doing", parked.doing());
}

/// Says that it led to no point, yet.
fn tell_run(cpu: CpuId, output: &mut Output<'_>) {
    output.field("point", Value::nothing());
    if percpu::of(cpu).critical_depth() > 0 {
        let late = protocols::outstanding(cpu);
        if late.is_empty() {
            output.note(format_args!(
                "CPU {cpu} goes on; it parks at its next point"
            ));
        } else {
            output.note(format_args!(
                "CPU {cpu} waits for CPUs {late}; it parks at its next point"
            ));
        }
    } else {
        park::cancel_step(cpu);
        output.note(format_args!(
            "CPU {cpu} runs on: it has come to no other point"
        ));
    }
}

/// `continue`
pub fn proceed(args: &args::Continue, output: &mut Output<'_>) -> Result<(), Failure> {
    let parked = park::parked();
    let wanted = match args.cpus {
        Some(cpus) => cpus.resolve(HERE, machine::online()).and(parked),
        None => parked,
    };
    if wanted.is_empty() && (args.cpus.is_some() || background::is_idle()) {
        return Err(match args.cpus {
            Some(cpus) => not_parked(cpus),
            None => nothing_parked(),
        });
    }
    let before: Vec<Parked> = wanted.into_iter().filter_map(park::where_is).collect();
    let mut watch = Watch::begin();
    park::proceed(wanted);
    let left = |was: &Parked| park::where_is(was.cpu).is_none_or(|now| now.arrival != was.arrival);
    watch.wait(|| before.iter().all(left) && background::is_idle());
    output.field("continued", wanted);
    output.field("parked", park::parked());
    Ok(())
}
