//! `run`: ring-3 programs on chosen CPUs.

use super::{HERE, space_of};
use crate::programs::{Ending, Group, NotLaunched, PATIENCE_US, Program, Running, STOP_US};
use crate::syscall::Outcome;
use crate::{console, machine};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use hw::clock;
use hw::programs::{Error, Meaning, region};
use shell::Failure;
use shell::commands::args;
use shell::report::{Output, Style, Table, Value};
use shootdown::CpuSet;

/// Runs a program on each of the CPUs asked for, and waits for all.
pub fn run(args: &args::Run, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let program = Program::find(&args.program).ok_or_else(|| Failure::new(NotLaunched::Unknown))?;
    let cpus = args
        .on
        .map_or(CpuSet::only(HERE), |on| on.resolve(HERE, machine::online()));
    if cpus.is_empty() {
        return Err(Failure::new("there is no other CPU to run it on"));
    }
    let group = Group::launch(&space, program, &args.arguments, cpus)
        .map_err(|error| refused(program, error))?;
    let waited = wait(&group);
    output.field("program", program.name);
    output.field("space", space.id());
    output.table("runs", table(program, &group));
    for running in group.members() {
        if let Some(Ending {
            outcome: Outcome::Faulted { cause, rip },
            ..
        }) = running.ending()
        {
            let note = format!("CPU {}: {cause}, at {}", running.cpu(), place(rip));
            output.styled_note(Style::Warn, note);
        }
    }
    waited?;
    group.members().iter().try_for_each(succeeded)
}

fn refused(program: &Program, error: NotLaunched) -> Failure {
    let failure = Failure::new(format_args!("`{}` did not start: {error}", program.name));
    match error {
        NotLaunched::Missing(_) | NotLaunched::TooMany => failure.expected(usage(program)),
        _ => failure,
    }
}

/// How a program is called: `reader ADDRESS [COUNT=100000]`.
fn usage(program: &Program) -> String {
    program
        .parameters
        .iter()
        .fold(
            program.name.to_string(),
            |usage, parameter| match parameter.default {
                None => format!("{usage} {}", parameter.name),
                Some(default) => format!("{usage} [{}={default}]", parameter.name),
            },
        )
}

/// Waits for all. Those that run too long, or when Ctrl-C is typed, are stopped.
fn wait(group: &Group) -> Result<(), Failure> {
    if group.wait(PATIENCE_US) {
        return Ok(());
    }
    let why = if console::interrupted() {
        "interrupted"
    } else {
        "it did not end within a minute"
    };
    group.stop();
    let deadline = clock::Deadline::after_us(STOP_US);
    let stopped = group.wait_unless(|| deadline.expired());
    Err(Failure::new(format_args!(
        "{why}; {}",
        if stopped {
            "it was stopped"
        } else {
            "it does not stop"
        }
    )))
}

fn table(program: &Program, group: &Group) -> Table {
    let mut columns = vec!["cpu", "outcome"];
    if program.measured {
        columns.extend(["rounds", "ticks"]);
    }
    columns.extend(program.results.iter().map(|(name, _)| name));
    let mut table = Table::new(columns);
    for running in group.members() {
        let Some(ending) = running.ending() else {
            table.row([
                running.cpu().into(),
                Value::from("still running").styled(Style::Bad),
            ]);
            continue;
        };
        let mut row = vec![running.cpu().into(), outcome(&ending.outcome)];
        if program.measured {
            row.extend([ending.rounds.into(), ending.ticks.into()]);
        }
        row.extend(
            program
                .results
                .iter()
                .zip(ending.results)
                .map(|(&(_, meaning), word)| result(meaning, word)),
        );
        table.row(row);
    }
    table
}

fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Exited(0) => Value::from("exited").styled(Style::Good),
        Outcome::Exited(status) => Value::from(say(*status)).styled(Style::Bad),
        Outcome::Faulted { .. } => Value::from("fault").styled(Style::Bad),
    }
}

/// A status other than 0, in words: programs end with the error of a call that they did not expect.
fn say(status: i64) -> String {
    match Error::from_code(status) {
        Some(error) => format!("refused: {error}"),
        None => format!("status {status}"),
    }
}

fn result(meaning: Meaning, word: u64) -> Value {
    match meaning {
        Meaning::Number => word.into(),
        Meaning::Address => {
            if word == 0 {
                Value::nothing()
            } else {
                Value::hex(word)
            }
        }
        Meaning::Refusal => Error::from_code(word.cast_signed().wrapping_neg())
            .map(|error| error.to_string())
            .into(),
    }
}

/// An address in ring 3, by the program that it is in.
fn place(rip: u64) -> String {
    match rip
        .checked_sub(region::TEXT)
        .and_then(|offset| Some((Program::at(offset)?, offset)))
    {
        Some((program, offset)) => {
            format!("{rip:#x} {}+{:#x}", program.name, offset - program.entry())
        }
        None => format!("{rip:#x}"),
    }
}

fn succeeded(running: &Running) -> Result<(), Failure> {
    let (cpu, name) = (running.cpu(), running.program().name);
    match running.ending().map(|ending| ending.outcome) {
        Some(Outcome::Exited(0)) => Ok(()),
        Some(Outcome::Exited(status)) => Err(Failure::new(format_args!(
            "`{name}` failed on CPU {cpu}: {}",
            say(status)
        ))),
        Some(Outcome::Faulted { cause, .. }) => Err(Failure::new(format_args!(
            "`{name}` on CPU {cpu} took an exception: {cause}"
        ))),
        None => Err(Failure::new(format_args!(
            "`{name}` on CPU {cpu} still runs"
        ))),
    }
}
