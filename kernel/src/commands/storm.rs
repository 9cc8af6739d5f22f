//! `storm`: many initiators at once, every round verified.

use super::HERE;
use crate::storm::{self, Error, Outcome, Plan, Tally};
use crate::{console, machine, protocols, random};
use hw::clock;
use hw::percpu::Counter;
use shell::Failure;
use shell::commands::args;
use shell::report::{Output, Style, Table, Value};

/// `storm`
pub fn storm(args: &args::Storm, output: &mut Output<'_>) -> Result<(), Failure> {
    let initiators = args.initiators.resolve(HERE, machine::online());
    if initiators.is_empty() {
        return Err(Failure::new("there is no CPU to initiate").expected("a set with a CPU in it"));
    }
    let plan = Plan {
        rounds: args.rounds,
        initiators,
        pages: args.pages,
    };
    let all = plan.rounds * initiators.len() as u64;
    let (outcome, protocol) = storm::with_protocol(args.protocol.as_deref(), || {
        let outcome = storm::run(plan, |made| {
            output.progress(format_args!("{made} of {all} shootdowns"))
        });
        (outcome, protocols::in_use().name)
    });
    let outcome = outcome.map_err(Failure::new)?;
    output.field("protocol", protocol);
    output.field("rounds", plan.rounds);
    output.field("initiators", initiators);
    output.field("pages", plan.pages);
    output.field("seed", random::seed());
    tell(&outcome, output);
    if console::interrupted() {
        output.note(format_args!(
            "ended early by Ctrl-C: {} of {all} shootdowns",
            shootdowns(&outcome)
        ));
    }
    match complaint(&outcome) {
        Some(complaint) => Err(complaint),
        None => Ok(()),
    }
}

/// What a storm did, and whether it adds up.
fn tell(outcome: &Outcome, output: &mut Output<'_>) {
    let shootdowns = shootdowns(outcome);
    output.field("shootdowns", shootdowns);
    output.field("ticks", outcome.ticks);
    output.field(
        "per_million_ticks",
        Value::ratio(shootdowns * 1_000_000, outcome.ticks),
    );
    output.field(
        "per_second",
        (shootdowns * clock::tsc_hz())
            .checked_div(outcome.ticks)
            .map_or(Value::nothing(), Value::from),
    );
    output.field(
        "reads",
        outcome.tallies.iter().map(|tally| tally.reads).sum::<u64>(),
    );
    let style = if outcome.violations == 0 {
        Style::Good
    } else {
        Style::Bad
    };
    output.field("stale_reads", Value::from(outcome.violations).styled(style));
    output.field("ipis_sent", outcome.counts.counters(Counter::IpisSent));
    output.field(
        "ipis_received",
        outcome.counts.counters(Counter::IpisReceived),
    );
    output.field("ipis_empty", outcome.counts.counters(Counter::IpisEmpty));
    output.field("most_served_at_once", outcome.most_served);
    let mut checks = Table::new(["count", "is", "against", "which_is", "verdict"]);
    for check in &outcome.checks {
        let verdict = if check.holds {
            Value::from("agrees").styled(Style::Good)
        } else {
            Value::from("WRONG").styled(Style::Bad)
        };
        checks.row([
            check.name.into(),
            check.count.into(),
            check.against.into(),
            check.bound.into(),
            verdict,
        ]);
    }
    if checks.is_empty() {
        output.note("the counts were not compared: a wait was given up on the way");
    } else {
        output.table("counts", checks);
    }
    if outcome.violations > 0 {
        output.table("violations", violations(outcome));
    }
}

fn shootdowns(outcome: &Outcome) -> u64 {
    outcome.tallies.iter().map(|tally| tally.shootdowns).sum()
}

fn violations(outcome: &Outcome) -> Table {
    let mut table = Table::new(["cpu", "address", "seen", "expected", "what"]);
    for violation in &outcome.first_violations {
        table.row([
            violation.cpu.into(),
            Value::hex(violation.address),
            violation.seen.map_or(Value::nothing(), Value::hex),
            Value::hex(violation.expected),
            Value::from(alloc::format!("{}", violation.why)).styled(Style::Bad),
        ]);
    }
    table
}

/// The worst of what went wrong.
fn complaint(outcome: &Outcome) -> Option<Failure> {
    if outcome.violations > 0 {
        return Some(Failure::new(format_args!(
            "{} stale reads after a shootdown returned",
            outcome.violations
        )));
    }
    if let Some(tally) = outcome.tallies.iter().find(|tally| tally.error.is_some()) {
        return Some(stuck(tally));
    }
    if !outcome.unfinished.is_empty() {
        return Some(
            Failure::new(format_args!("CPUs {} did not finish", outcome.unfinished))
                .hint("backtrace CPU, lapic CPU"),
        );
    }
    if let Some(check) = outcome.checks.iter().find(|check| !check.holds) {
        return Some(Failure::new(format_args!(
            "the counts do not agree: {} is {}, {} is {}",
            check.name, check.count, check.against, check.bound
        )));
    }
    if let Some(what) = &outcome.left_behind {
        return Some(Failure::new(format_args!(
            "the storm left something behind: {what}"
        )));
    }
    None
}

fn stuck(tally: &Tally) -> Failure {
    match tally.error {
        Some(Error::Silent(cpus)) if cpus.is_empty() => Failure::new(format_args!(
            "CPU {} gave up: others held the lock all the time",
            tally.cpu
        )),
        Some(Error::Silent(cpus)) => Failure::new(format_args!(
            "CPU {} gave up: CPUs {cpus} have not acknowledged",
            tally.cpu
        ))
        .hint("scoreboard, lapic CPU, backtrace CPU"),
        Some(Error::Map(error)) => Failure::new(format_args!("CPU {}: {error}", tally.cpu)),
        None => Failure::new(format_args!("CPU {} ended early", tally.cpu)),
    }
}
