//! `fault`: what goes wrong on purpose.

use super::{HERE, shows_staleness};
use crate::faults::{self, Refused};
use crate::machine;
use alloc::string::ToString;
use alloc::vec::Vec;
use shell::Failure;
use shell::commands::args;
use shell::fault::{Action, Fault, Operand, Subject};
use shell::parse::number;
use shell::report::{Output, Style, Table, Value};
use shootdown::Point;

/// `fault`
pub fn fault(args: &args::Fault, output: &mut Output<'_>) -> Result<(), Failure> {
    match args.subject {
        Subject::At(point) => arm(point, args, output),
        Subject::Clear => clear(args, output),
        _ => {
            args.only_subject()?;
            match args.subject {
                Subject::Actions => actions(output),
                Subject::Save => save(output),
                _ => list(output),
            }
            Ok(())
        }
    }
}

fn arm(point: Point, args: &args::Fault, output: &mut Output<'_>) -> Result<(), Failure> {
    let fault = Fault::new(point, args, |cpus| cpus.resolve(HERE, machine::online()))?;
    if matches!(point, Point::Invalidate | Point::LocalInvalidate)
        && fault.action.breaks().is_some()
    {
        // What it leaves stale is all that it shows.
        shows_staleness()?;
    }
    let number = faults::arm(fault).map_err(|refused| match refused {
        Refused::Full => Failure::new(format_args!("there are {} faults already", faults::MOST))
            .hint("fault clear"),
        Refused::OneWrite => Failure::new(
            "in x2APIC mode the interrupt command register is one write: nothing comes between",
        )
        .hint("cargo kit run --apic xapic"),
    })?;
    output.field("number", number);
    output.field("fault", fault.to_string());
    output.field("does", fault.action.doc());
    output.field("breaks", breaks(fault.action));
    Ok(())
}

fn breaks(action: Action) -> Value {
    action
        .breaks()
        .map_or(Value::nothing(), |invariant| invariant.to_string().into())
}

fn clear(args: &args::Fault, output: &mut Output<'_>) -> Result<(), Failure> {
    let wanted = args.action.as_deref();
    args.only_subject_and_action()?;
    let named = |text: &str| {
        let number = number(text)
            .ok()
            .and_then(|number| usize::try_from(number).ok());
        number.filter(|&number| faults::list().iter().any(|view| view.number == number))
    };
    let number = match wanted.map(|text| (text, named(text))) {
        Some((text, None)) => {
            return Err(Failure::new(format_args!("there is no fault {text}"))
                .expected("a number that `fault list` shows, or none for all"));
        }
        Some((_, number)) => number,
        None => None,
    };
    output.field("cleared", faults::clear(number));
    Ok(())
}

fn list(output: &mut Output<'_>) {
    let mut table = Table::new(["number", "fault", "fired", "left", "breaks"]);
    for view in faults::list() {
        let left = match view.left {
            Some(0) => Value::from(0_u64).styled(Style::Dim),
            Some(left) => left.into(),
            None => Value::from("any"),
        };
        table.row([
            view.number.into(),
            view.fault.to_string().into(),
            view.fired.into(),
            left,
            breaks(view.fault.action),
        ]);
    }
    let none = faults::list().is_empty();
    output.table("faults", table);
    if none {
        output.note("no fault is armed: `fault actions` lists what can go wrong");
    }
}

fn save(output: &mut Output<'_>) {
    for view in faults::list() {
        output.note(view.fault);
    }
}

fn actions(output: &mut Output<'_>) {
    let mut table = Table::new(["point", "action", "needs", "breaks", "what_goes_wrong"]);
    // One that makes sense everywhere is not repeated for each point.
    let everywhere = |action: &Action| action.points().len() == Point::COUNT;
    let rows = Action::ALL
        .into_iter()
        .filter(everywhere)
        .map(|action| ("any", action))
        .chain(Point::ALL.into_iter().flat_map(|point| {
            let there = Action::all_at(point).filter(move |action| !everywhere(action));
            there.map(move |action| (point.name(), action))
        }));
    for (point, action) in rows.collect::<Vec<_>>() {
        let needs = match action.operand() {
            Operand::Nothing => Value::nothing(),
            Operand::Time => "TIME".into(),
            Operand::Cpu => "to CPU".into(),
        };
        table.row([
            point.into(),
            action.name().into(),
            needs,
            breaks(action),
            action.doc().into(),
        ]);
    }
    output.table("actions", table);
}
