//! `bench`: ratios of one run.

use super::{HERE, on};
use crate::bench::Changes;
use crate::{bench, channel, job, machine, protocols, space, transports};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use shell::Failure;
use shell::commands::{Choice, args};
use shell::report::{Output, Table, Value};
use shootdown::CpuSet;
use space::Space;

/// A benchmark: its name, and what carries it out.
struct Benchmark {
    name: &'static str,
    run: fn(&mut Output<'_>) -> Result<(), Failure>,
}

/// Every benchmark, in the order in which `bench` runs them.
const ALL: [Benchmark; 9] = [
    Benchmark {
        name: "trace",
        run: trace,
    },
    Benchmark {
        name: "round-trip",
        run: round_trip,
    },
    Benchmark {
        name: "protocols",
        run: by_protocol,
    },
    Benchmark {
        name: "transports",
        run: by_transport,
    },
    Benchmark {
        name: "revoke",
        run: revoke,
    },
    Benchmark {
        name: "at-once",
        run: at_once,
    },
    Benchmark {
        name: "ranges",
        run: |output| by_cost("ranges", &RANGES, output),
    },
    Benchmark {
        name: "batch",
        run: |output| by_cost("batch", &BATCHES, output),
    },
    Benchmark {
        name: "lazy",
        run: lazy,
    },
];

/// One change of a few pages, and of more.
const RANGES: [Changes; 4] = [
    Changes {
        name: "2 pages",
        ranges: &[(0, 2)],
    },
    Changes {
        name: "4 pages",
        ranges: &[(0, 4)],
    },
    Changes {
        name: "24 pages",
        ranges: &[(0, 24)],
    },
    Changes {
        name: "96 pages",
        ranges: &[(0, 96)],
    },
];

/// Several changes in a row.
const BATCHES: [Changes; 4] = [
    Changes {
        name: "4 adjacent pages",
        ranges: &[(0, 1), (1, 1), (2, 1), (3, 1)],
    },
    Changes {
        name: "4 pages, upwards down",
        ranges: &[(3, 1), (2, 1), (1, 1), (0, 1)],
    },
    Changes {
        name: "2 pages far apart",
        ranges: &[(0, 1), (64, 1)],
    },
    Changes {
        name: "32 single pages",
        ranges: &[
            (0, 1),
            (1, 1),
            (2, 1),
            (3, 1),
            (4, 1),
            (5, 1),
            (6, 1),
            (7, 1),
            (8, 1),
            (9, 1),
            (10, 1),
            (11, 1),
            (12, 1),
            (13, 1),
            (14, 1),
            (15, 1),
            (16, 1),
            (17, 1),
            (18, 1),
            (19, 1),
            (20, 1),
            (21, 1),
            (22, 1),
            (23, 1),
            (24, 1),
            (25, 1),
            (26, 1),
            (27, 1),
            (28, 1),
            (29, 1),
            (30, 1),
            (31, 1),
        ],
    },
];

/// The shootdowns that each initiator makes in `at-once`.
const ROUNDS: u64 = 500;
/// The most initiators in `at-once`.
const INITIATORS: usize = 4;

/// The benchmarks' names.
pub fn names() -> Vec<String> {
    ALL.iter()
        .map(|benchmark| benchmark.name.to_string())
        .collect()
}

/// `bench`
pub fn bench(args: &args::Bench, output: &mut Output<'_>) -> Result<(), Failure> {
    if machine::online().len() < 2 {
        return Err(Failure::new("a shootdown needs another CPU").hint("cargo kit run --cpus 4"));
    }
    // The price of keeping books is not the protocol's.
    let _books = crate::ledger::pause();
    let wanted = |benchmark: &&Benchmark| {
        args.name
            .as_deref()
            .is_none_or(|name| name == benchmark.name)
    };
    ALL.iter().filter(wanted).try_for_each(|benchmark| {
        // Targets that leave at the first shootdown would be none at the second.
        let _stay = (benchmark.name != "lazy").then(space::Stay::begin);
        (benchmark.run)(output)
    })
}

/// What recording costs, an event.
fn trace(output: &mut Output<'_>) -> Result<(), Failure> {
    if channel::lossless() {
        output.note("trace: left out, since every event is written to the host (--evidence)");
        return Ok(());
    }
    let costs = bench::trace::costs();
    let mut table = Table::new(["event", "trace", "ticks"]);
    for (event, trace, ticks) in [
        ("point", "off", costs.point),
        ("other", "off", costs.off),
        ("other", "on", costs.on),
    ] {
        let ticks = Value::ratio(ticks, bench::trace::EVENTS);
        table.row([event.into(), trace.into(), ticks]);
    }
    output.table("trace", table);
    Ok(())
}

/// Does `work` with a space of its own, which is active on `cpus` and on the shell's CPU.
fn in_space<T>(
    cpus: CpuSet,
    work: impl FnOnce(&Arc<Space>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let space = space::create()
        .ok_or_else(|| Failure::new("no address space is free").hint("space drop ID"))?;
    let result = cpus
        .with(HERE)
        .into_iter()
        .try_for_each(|cpu| on(cpu, Some(&space), || ()))
        .and_then(|()| work(&space));
    let id = space.id();
    drop(space);
    super::memory::retire(id)?;
    result
}

/// One page at one target and at up to three, against the bare interrupt.
fn round_trip(output: &mut Output<'_>) -> Result<(), Failure> {
    let others = machine::online().without(HERE);
    let three: CpuSet = others.into_iter().take(3).collect();
    let mut sets: Vec<CpuSet> = others.lowest().map(CpuSet::only).into_iter().collect();
    sets.extend((three.len() > 1).then_some(three));
    let mut table = Table::new(["targets", "floor_ticks", "shootdown_ticks", "ratio"]);
    for targets in sets {
        let measured = in_space(targets, |space| {
            on(HERE, Some(space), move || bench::round_trip(targets))
        })?
        .map_err(|silent| Failure::new(format_args!("CPUs {silent} did not answer")))?;
        table.row([
            targets.into(),
            measured.floor.into(),
            measured.shootdown.into(),
            Value::ratio(measured.shootdown, measured.floor),
        ]);
    }
    output.table("round_trip", table);
    Ok(())
}

/// One page at up to three targets, by each protocol, against the bare interrupt.
fn by_protocol(output: &mut Output<'_>) -> Result<(), Failure> {
    let before = protocols::in_use();
    let targets: CpuSet = machine::online()
        .without(HERE)
        .into_iter()
        .take(3)
        .collect();
    let measure = |name| {
        protocols::choose(name, before.padded, job::quiesce);
        in_space(targets, |space| {
            on(HERE, Some(space), move || bench::round_trip(targets))
        })
    };
    let measured: Vec<_> = protocols::names()
        .map(|name| (name, measure(name)))
        .collect();
    protocols::choose(before.name, before.padded, job::quiesce);
    let mut table = Table::new([
        "protocol",
        "targets",
        "floor_ticks",
        "shootdown_ticks",
        "ratio",
        "icr_writes",
    ]);
    for (name, measured) in measured {
        let measured = measured?
            .map_err(|silent| Failure::new(format_args!("CPUs {silent} did not answer")))?;
        table.row([
            name.into(),
            targets.into(),
            measured.floor.into(),
            measured.shootdown.into(),
            Value::ratio(measured.shootdown, measured.floor),
            measured.icr_writes.into(),
        ]);
    }
    output.table("protocols", table);
    Ok(())
}

/// Uses each protocol in turn for `measure`, then the one that was in use.
fn with_each<T>(
    mut measure: impl FnMut(&'static str) -> Result<T, Failure>,
) -> Result<Vec<(&'static str, T)>, Failure> {
    let before = protocols::in_use();
    let measured = protocols::names()
        .map(|name| {
            protocols::choose(name, before.padded, job::quiesce);
            Ok((name, measure(name)?))
        })
        .collect();
    protocols::choose(before.name, before.padded, job::quiesce);
    measured
}

/// What changes cost at up to three targets, by each protocol as it gathers and widens them; and by the first one in
/// the ways there are.
fn by_cost(
    title: &'static str,
    all: &'static [Changes],
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let others = machine::online().without(HERE);
    let targets: CpuSet = others.into_iter().take(3).collect();
    let first = protocols::names().next();
    let measured = with_each(|name| {
        in_space(targets, |space| {
            on(HERE, Some(space), move || {
                let mut rows = Vec::new();
                for changes in all {
                    if Some(name) == first {
                        let known = bench::known_ways(changes);
                        rows.extend(known.map(|(way, cost)| (changes.name, way, cost)));
                    }
                    rows.push((changes.name, "own", bench::gathered(changes)));
                }
                rows
            })
        })
    })?;
    let mut table = Table::new([
        "changes",
        "protocol",
        "way",
        "ticks",
        "interrupts",
        "invlpgs",
        "flushes",
        "modelled",
    ]);
    for (protocol, rows) in measured {
        for (changes, way, cost) in rows {
            table.row([
                changes.into(),
                protocol.into(),
                way.into(),
                cost.ticks.into(),
                cost.interrupts.into(),
                cost.invlpgs.into(),
                cost.flushes.into(),
                cost.modelled().into(),
            ]);
        }
    }
    output.table(title, table);
    Ok(())
}

/// Shootdowns in a row of a space of which one other CPU runs a thread, and up to two have none: how many interrupts
/// they are, by each protocol.
fn lazy(output: &mut Output<'_>) -> Result<(), Failure> {
    let others = machine::online().without(HERE);
    let busy = others.lowest();
    let lazy: CpuSet = others.into_iter().skip(1).take(2).collect();
    let measured = with_each(|_| {
        in_space(others, |space| {
            let running = busy.map(|cpu| bench::Busy::start(space, cpu)).transpose();
            let running = running.map_err(Failure::new)?;
            let interrupts = on(HERE, Some(space), bench::in_a_row);
            drop(running);
            interrupts
        })
    })?;
    let mut table = Table::new(["protocol", "busy", "lazy", "shootdowns", "interrupts"]);
    for (protocol, interrupts) in measured {
        let busy: CpuSet = busy.into_iter().collect();
        table.row([
            protocol.into(),
            busy.into(),
            lazy.into(),
            bench::IN_A_ROW.into(),
            interrupts.into(),
        ]);
    }
    output.table("lazy", table);
    Ok(())
}

/// One page at one target and at every other, by each transport that this machine has, in turns so that a host that
/// gets slower meanwhile is no transport's fault.
fn by_transport(output: &mut Output<'_>) -> Result<(), Failure> {
    /// How often each has its turn.
    const TURNS: usize = 3;
    let before = transports::in_use();
    let there: Vec<_> = transports::ALL
        .iter()
        .filter(|entry| entry.lacks().is_none())
        .collect();
    let others = machine::online().without(HERE);
    let mut sets: Vec<CpuSet> = others.lowest().map(CpuSet::only).into_iter().collect();
    sets.extend((others.len() > 1).then_some(others));
    let mut table = Table::new(["transport", "targets", "floor_ticks", "shootdown_ticks"]);
    for targets in sets {
        let mut measured = Vec::new();
        for turn in 0..there.len() * TURNS {
            let name = there[turn % there.len()].name;
            transports::choose(name).map_err(Failure::new)?;
            let result = in_space(targets, |space| {
                on(HERE, Some(space), move || bench::round_trip(targets))
            });
            measured.push((name, result));
        }
        transports::choose(before).map_err(Failure::new)?;
        let mut rows = Vec::new();
        for (name, result) in measured {
            let one = result?
                .map_err(|silent| Failure::new(format_args!("CPUs {silent} did not answer")))?;
            rows.push((name, one));
        }
        for entry in &there {
            // The middle of its turns.
            let mut floors: Vec<u64> = Vec::new();
            let mut shootdowns: Vec<u64> = Vec::new();
            for (_, one) in rows.iter().filter(|(name, _)| *name == entry.name) {
                floors.push(one.floor);
                shootdowns.push(one.shootdown);
            }
            floors.sort_unstable();
            shootdowns.sort_unstable();
            table.row([
                entry.name.name().into(),
                targets.into(),
                floors[TURNS / 2].into(),
                shootdowns[TURNS / 2].into(),
            ]);
        }
    }
    output.table("transports", table);
    Ok(())
}

/// Up to four initiators at once, by each protocol.
fn at_once(output: &mut Output<'_>) -> Result<(), Failure> {
    let before = protocols::in_use();
    let initiators: CpuSet = machine::online().into_iter().take(INITIATORS).collect();
    let shootdowns = ROUNDS * initiators.len() as u64;
    let mut table = Table::new([
        "protocol",
        "initiators",
        "shootdowns",
        "ticks",
        "per_million_ticks",
        "against_lock",
    ]);
    let mut measured = Vec::new();
    for name in protocols::names() {
        protocols::choose(name, before.padded, job::quiesce);
        measured.push((
            name,
            in_space(initiators, |space| {
                Ok(bench::at_once(space, initiators, ROUNDS))
            })?,
        ));
    }
    protocols::choose(before.name, before.padded, job::quiesce);
    let lock = measured
        .iter()
        .find(|(name, _)| *name == "global-lock")
        .and_then(|(_, ticks)| ticks.ok());
    for (name, ticks) in measured {
        let ticks = ticks.map_err(Failure::new)?;
        table.row([
            name.into(),
            initiators.into(),
            shootdowns.into(),
            ticks.into(),
            Value::ratio(shootdowns * 1_000_000, ticks),
            Value::ratio(lock.unwrap_or(0), ticks),
        ]);
    }
    output.table("at_once", table);
    Ok(())
}

/// What `mprotect` does elsewhere: a ring-3 program takes a right away from a page that programs on
/// every other CPU keep reading. By one program, then by two at once, each with its page.
fn revoke(output: &mut Output<'_>) -> Result<(), Failure> {
    let mut table = Table::new([
        "initiators",
        "readers",
        "revocations",
        "ticks_a_call",
        "us_a_call",
        "against_one",
    ]);
    let mut one = 0;
    for count in [1, 2] {
        let initiators: CpuSet = machine::online().into_iter().take(count).collect();
        let readers = machine::online().minus(initiators);
        let ticks = in_space(CpuSet::EMPTY, |space| {
            bench::revoke(space, initiators, readers).map_err(Failure::new)
        })?;
        if count == 1 {
            one = ticks;
        }
        table.row([
            initiators.into(),
            readers.into(),
            (bench::REVOCATIONS * count as u64).into(),
            ticks.into(),
            Value::ratio(ticks * 1_000, hw::clock::tsc_hz() / 1_000),
            Value::ratio(ticks, one),
        ]);
    }
    output.table("revoke", table);
    Ok(())
}
