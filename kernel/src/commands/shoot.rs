//! Commands that send: bare IPIs, shootdowns, and how they are made.

use super::{HERE, on, space_of};
use crate::protocols::{Entry, entries};
use crate::{job, machine, protocols, transports};
use alloc::format;
use alloc::vec::Vec;
use shell::Failure;
use shell::commands::{Choice, Extent, Layout, Sending, args};
use shell::report::{Output, Style, Table, Value};
use shootdown::{Acknowledged, BadRequest, PAGE_SIZE, Request, SpaceId, Targets};

/// `ipi`
pub fn ipi(args: &args::Ipi, output: &mut Output<'_>) -> Result<(), Failure> {
    let from = args.from.unwrap_or(HERE);
    let targets = args.targets.resolve(from, machine::online()).without(from);
    if targets.is_empty() {
        return Err(Failure::new("there is no CPU to send to")
            .expected("a set with a CPU other than the sender"));
    }
    let count = args.count;
    let ticks = on(from, None, move || round_trips(targets, count))?.map_err(|silent| {
        Failure::new(format_args!("CPUs {silent} did not answer within a second")).hint("lapic CPU")
    })?;
    output.field("from", from);
    output.field("to", targets);
    output.field("round_trips", ticks.len());
    output.field("ticks_least", ticks.iter().min().copied());
    output.field(
        "ticks_mean",
        ticks.iter().sum::<u64>() / ticks.len().max(1) as u64,
    );
    output.field("ticks_most", ticks.iter().max().copied());
    Ok(())
}

fn round_trips(targets: shootdown::CpuSet, count: u64) -> Result<Vec<u64>, shootdown::CpuSet> {
    let mut ticks = Vec::new();
    for _ in 0..count {
        if crate::console::interrupted() {
            break;
        }
        ticks.push(job::test(targets)?);
    }
    Ok(ticks)
}

/// `proto`
pub fn proto(args: &args::Proto, output: &mut Output<'_>) -> Result<(), Failure> {
    let now = protocols::in_use();
    let name = args.name.as_deref().unwrap_or(now.name);
    let has_rows = |entry: &Entry| entry.name == name && entry.rows;
    if args.layout.is_some() && !entries().any(has_rows) {
        return Err(Failure::new(format_args!(
            "{name} has no scoreboard whose rows could be laid out"
        ))
        .hint("proto scoreboard padded"));
    }
    let padded = args
        .layout
        .map_or(now.padded, |layout| layout == Layout::Padded);
    protocols::choose(name, padded, job::quiesce);
    if let Some(sending) = args.sending {
        protocols::set_broadcast(sending == Sending::Broadcast);
    }
    let now = protocols::in_use();
    let mut table = Table::new(["protocol", "in_use", "layout", "sending", "what"]);
    for entry in entries() {
        let used = entry.name == now.name;
        let mark = if used {
            Value::from(true).styled(Style::Good)
        } else {
            Value::from(false)
        };
        let layout = match (entry.rows, now.padded) {
            (false, _) => Value::nothing(),
            (true, true) => "padded".into(),
            (true, false) => "unpadded".into(),
        };
        let sending = match protocols::broadcast(entry.name) {
            None => Value::nothing(),
            Some(true) => "broadcast".into(),
            Some(false) => "selected".into(),
        };
        table.row([entry.name.into(), mark, layout, sending, entry.doc.into()]);
    }
    output.table("protocols", table);
    Ok(())
}

/// `transport`
pub fn transport(args: &args::Transport, output: &mut Output<'_>) -> Result<(), Failure> {
    if let Some(name) = args.name {
        transports::choose(name)
            .map_err(|why| Failure::new(format_args!("transport {}: {why}", name.name())))?;
    }
    let mut table = Table::new(["transport", "in_use", "what", "lacks"]);
    for entry in &transports::ALL {
        let mark = match entry.name == transports::in_use() {
            true => Value::from(true).styled(Style::Good),
            false => Value::from(false),
        };
        let lacks = entry.lacks().map_or_else(Value::nothing, Value::from);
        table.row([entry.name.name().into(), mark, entry.doc.into(), lacks]);
    }
    output.table("transports", table);
    Ok(())
}

/// `shoot`
pub fn shoot(args: &args::Shoot, output: &mut Output<'_>) -> Result<(), Failure> {
    let from = args.from.unwrap_or(HERE);
    let (request, space) = request(args)?;
    let targets = match args.to {
        Some(to) => Targets::Set(to.resolve(from, machine::online())),
        None if space.is_some() => Targets::Active,
        None => Targets::All,
    };
    let proof = on(from, None, move || match &space {
        Some(space) => space.shoot(request, targets),
        None => protocols::shoot(request, targets),
    })?;
    let proof = proof.map_err(|_| {
        Failure::new(format_args!(
            "given up: CPUs {} have not acknowledged",
            protocols::outstanding(from)
        ))
        .hint("scoreboard, lapic CPU, backtrace CPU")
    })?;
    tell(&proof, output);
    Ok(())
}

type Wanted = (Request, Option<alloc::sync::Arc<crate::space::Space>>);

/// What is asked for, and the space it is about.
fn request(args: &args::Shoot) -> Result<Wanted, Failure> {
    let bad = |error: BadRequest| Failure::new(error);
    let start = args.address.map_or(0, |address| address.get());
    let space = match args.extent {
        Extent::Global => return Ok((Request::global(), None)),
        Extent::Cache => return Ok((Request::cache(), None)),
        // The kernel's half is every space's: its pages are shot as the kernel's.
        Extent::Page | Extent::Range if start >= hw::paging::USER_END => None,
        _ => Some(space_of(args.space)?),
    };
    let id = space.as_ref().map_or(SpaceId::KERNEL, |space| space.id());
    let request = match args.extent {
        Extent::Page => Request::page(id, start).map_err(bad)?,
        Extent::Range => {
            let end = start.saturating_add(args.pages.unwrap_or(1).saturating_mul(PAGE_SIZE));
            Request::range(id, start, end).map_err(bad)?
        }
        _ => Request::space(id),
    };
    Ok((request, space))
}

fn tell(proof: &Acknowledged, output: &mut Output<'_>) {
    output.field("request", format!("{}", proof.request()));
    output.field("initiator", proof.initiator());
    output.field("targets", proof.targets());
    output.field("generation", proof.generation());
    output.field("local_invalidation", proof.local());
    if !proof.complete() {
        output.styled_note(
            Style::Warn,
            "a CPU on which the space is active was not asked: it may hold stale translations",
        );
    }
    if proof.generation().is_none() {
        output.note("no other CPU had to be asked: no IPI was sent");
    }
}
